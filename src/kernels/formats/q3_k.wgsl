// w = d sc (q - 4); sc is a signed byte for 16 elements, d a 16-bit float for a super-block of eight units. Codes of
// three bits: the low 24 bits of each word are octets 0 to 2, and the high 8 of all three octet 3.
const HALVES = 2u;
const SCALED = true;
const MINIMUMS = true;
struct Scales { unit: vec2u, d: vec4f, octets: array<vec4u, 4> }
fn load_scales(unit: u32) -> Scales {
  let a = quant_word(unit, 0u);
  let b = quant_word(unit, 1u);
  let c = quant_word(unit, 2u);
  let last = (a >> vec4u(24u)) | ((b >> vec4u(24u)) << vec4u(8u)) | ((c >> vec4u(24u)) << vec4u(16u));
  return Scales(narrow_scale(unit), low_halves(super_scale(unit)), array<vec4u, 4>(a, b, c, last));
}
fn code(words: ptr<function, Words>, s: Scales, octet: u32, i: u32) -> vec4f {
  if (IN_PLACE) { return code_at(s.octets[octet % 4u], 3u * i, 7u); }
  let low = select(s.octets[0], s.octets[1], octet == 1u);
  let high = select(s.octets[2], s.octets[3], octet == 3u);
  return code_at(select(low, high, octet >= 2u), 3u * i, 7u);
}
fn scale(s: Scales, half: u32) -> vec4f { return s.d * vec4f(signed_scale_bytes(s.unit, 8u * half)); }
fn minimum(s: Scales, half: u32) -> vec4f { return scale(s, half) * -4.0; }
