// w = d sc q - dmin mn; sc and mn are six bits for each unit, d and dmin 16-bit floats for a super-block of eight
// units. Bit e of the last word is the fifth bit of element e.
const OCTET_WORDS = 1u;
const UNIT_WORDS = 5u;
const HALVES = 1u;
const SCALED = true;
const MINIMUMS = true;
struct Scales { unit: vec2u, block: vec4u, high: vec4u }
fn load_scales(unit: u32) -> Scales { return Scales(narrow_scale(unit), super_scale(unit), quant_word(unit, 4u)); }
fn code(words: ptr<function, Words>, s: Scales, octet: u32, i: u32) -> vec4f {
  // The octet's fifth bits, from bit 4 on. The remainder keeps the shift in range for octet 0 too: where it is a
  // constant (unrolled-text.ts), WGSL asks for that.
  let high = select(s.high >> vec4u((8u * octet + 28u) % 32u), s.high << vec4u(4u), octet == 0u);
  return vec4f(vec4i(nibble(words, i) | ((high >> vec4u(i)) & vec4u(16u))));
}
fn scale(s: Scales, half: u32) -> vec4f { return low_halves(s.block) * vec4f(scale_bytes(s.unit, 0u)); }
fn minimum(s: Scales) -> vec4f { return -(high_halves(s.block) * vec4f(scale_bytes(s.unit, 8u))); }
