// w = d sc v, v the value of a code of four bits; sc is a whole number for each unit, kept as a bfloat16, d a 16-bit
// float for a super-block of eight units
const HALVES = 1u;
const SCALED = true;
const MINIMUMS = false;
struct Scales { d: vec4f }
fn load_scales(unit: u32) -> Scales {
  return Scales(low_halves(super_scale(unit)) * brain_floats(narrow_scale(unit)));
}
fn code(words: ptr<function, Words>, s: Scales, octet: u32, i: u32) -> vec4f { return iq4_value(words, i); }
fn scale(s: Scales, half: u32) -> vec4f { return s.d; }
fn minimum(s: Scales, half: u32) -> vec4f { return vec4f(); }
