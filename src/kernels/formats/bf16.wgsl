// Two elements a word, the even one low; a bfloat16 is the upper half of a float32.
const HALVES = 1u;
const SCALED = false;
const MINIMUMS = false;
struct Scales { none: u32 }
fn load_scales(unit: u32) -> Scales { return Scales(0u); }
fn code(words: ptr<function, Words>, s: Scales, octet: u32, i: u32) -> vec4f {
  if (i % 2u == 0u) { return bitcast<vec4f>((*words)[i / 2u] << vec4u(16u)); }
  return bitcast<vec4f>((*words)[i / 2u] & vec4u(0xffff0000u));
}
fn scale(s: Scales, half: u32) -> vec4f { return vec4f(1.0); }
fn minimum(s: Scales, half: u32) -> vec4f { return vec4f(); }
