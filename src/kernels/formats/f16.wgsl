// Two elements a word, the even one low.
const OCTET_WORDS = 4u;
const UNIT_WORDS = 16u;
const HALVES = 1u;
const SCALED = false;
const MINIMUMS = false;
struct Scales { none: u32 }
fn load_scales(unit: u32) -> Scales { return Scales(0u); }
fn code(words: ptr<function, Words>, s: Scales, octet: u32, i: u32) -> vec4f {
  if (i % 2u == 0u) { return low_halves((*words)[i / 2u]); }
  return high_halves((*words)[i / 2u]);
}
fn scale(s: Scales, half: u32) -> vec4f { return vec4f(1.0); }
fn minimum(s: Scales) -> vec4f { return vec4f(); }
