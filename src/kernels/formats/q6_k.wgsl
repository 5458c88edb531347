// w = d sc (q - 32); sc is a signed byte for 16 elements, d a 16-bit float for a super-block of eight units.
// The last two words have sixteen bits for each octet.
const HALVES = 2u;
const SCALED = true;
const MINIMUMS = true;
struct Scales { unit: vec2u, d: vec4f, rest: array<vec4u, 2> }
fn load_scales(unit: u32) -> Scales {
  let rest = array<vec4u, 2>(quant_word(unit, 4u), quant_word(unit, 5u));
  return Scales(narrow_scale(unit), low_halves(super_scale(unit)), rest);
}
fn code(words: ptr<function, Words>, s: Scales, octet: u32, i: u32) -> vec4f {
  let rest = select(s.rest[0], s.rest[1], octet >= 2u);
  return six_bit_value(words, select(rest & vec4u(0xffffu), rest >> vec4u(16u), octet % 2u == 1u), i);
}
fn scale(s: Scales, half: u32) -> vec4f { return s.d * vec4f(signed_scale_bytes(s.unit, 8u * half)); }
fn minimum(s: Scales, half: u32) -> vec4f { return scale(s, half) * -32.0; }
