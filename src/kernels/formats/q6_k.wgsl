// w = d sc (q - 32); sc is a signed byte for 16 elements, d a 16-bit float for a super-block of eight units.
// The last two words hold the upper two bits of elements 0 .. 15 and 16 .. 31, element e at bit 2 (e % 16).
const OCTET_WORDS = 1u;
const UNIT_WORDS = 6u;
const HALVES = 2u;
const SCALED = true;
const MINIMUMS = false;
struct Scales { unit: vec2u, d: vec4f, high: array<vec4u, 2> }
fn load_scales(unit: u32) -> Scales { return Scales(narrow_scale(unit), low_halves(super_scale(unit)),
    array<vec4u, 2>(quant_word(unit, 4u), quant_word(unit, 5u))); }
fn code(words: ptr<function, Words>, s: Scales, octet: u32, i: u32) -> vec4f {
  let word = select(s.high[0], s.high[1], octet >= 2u);
  // The octet's upper bits, from bit 4 on.
  let high = select(word << vec4u(4u), word >> vec4u(12u), octet % 2u == 1u);
  return vec4f(vec4i(nibble(words, i) | ((high >> vec4u(2u * i)) & vec4u(48u))) - vec4i(32));
}
fn scale(s: Scales, half: u32) -> vec4f {
  return s.d * vec4f(bitcast<vec4i>(scale_bytes(s.unit, 8u * half) << vec4u(24u)) >> vec4u(24u));
}
fn minimum(s: Scales) -> vec4f { return vec4f(); }
