// Two elements a word, the even one low. To convert a 16-bit float is dear on a CPU: so the bits of a REBIASED one
// (weight-layout.ts) are put where a float32 has its own, which makes 2^-102 times its value.
const HALVES = 1u;
const SCALED = false;
const MINIMUMS = false;
struct Scales { none: u32 }
fn load_scales(unit: u32) -> Scales { return Scales(0u); }
fn code(words: ptr<function, Words>, s: Scales, octet: u32, i: u32) -> vec4f {
  let word = (*words)[i / 2u];
  if (REBIASED) {
    let high = select(word, word << vec4u(16u), i % 2u == 0u);
    return bitcast<vec4f>(bitcast<vec4u>(bitcast<vec4i>(high) >> vec4u(3u)) & vec4u(0x8fffe000u));
  }
  if (i % 2u == 0u) { return low_halves(word); }
  return high_halves(word);
}
fn scale(s: Scales, half: u32) -> vec4f { return vec4f(select(1.0, 0x1p102f, REBIASED)); }
fn minimum(s: Scales, half: u32) -> vec4f { return vec4f(); }
