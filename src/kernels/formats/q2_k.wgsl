// w = d sc q - dmin mn; sc and mn are four bits for 16 elements, d and dmin 16-bit floats for a super-block of eight
// units. The two words hold elements 0 .. 15 and 16 .. 31, two bits each.
const HALVES = 2u;
const SCALED = true;
const MINIMUMS = true;
struct Scales { unit: vec2u, block: vec4u, quants: array<vec4u, 2> }
fn load_scales(unit: u32) -> Scales {
  return Scales(narrow_scale(unit), super_scale(unit), array<vec4u, 2>(quant_word(unit, 0u), quant_word(unit, 1u)));
}
fn code(words: ptr<function, Words>, s: Scales, octet: u32, i: u32) -> vec4f {
  if (IN_PLACE) { return code_at(s.quants[octet / 2u % 2u], 16u * (octet % 2u) + 2u * i, 3u); }
  let word = select(s.quants[0], s.quants[1], octet >= 2u);
  return code_at(select(word, word >> vec4u(16u), octet % 2u == 1u), 2u * i, 3u);
}
fn scale(s: Scales, half: u32) -> vec4f {
  return low_halves(s.block) * vec4f(scale_bytes(s.unit, 8u * half) & vec4u(15u));
}
fn minimum(s: Scales, half: u32) -> vec4f {
  return -(high_halves(s.block) * vec4f(scale_bytes(s.unit, 8u * half) >> vec4u(4u)));
}
