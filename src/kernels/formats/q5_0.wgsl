// w = d (q - 16)
const HALVES = 1u;
const SCALED = true;
const MINIMUMS = true;
struct Scales { d: vec4f, rest: vec4u }
fn load_scales(unit: u32) -> Scales { return Scales(halves(narrow_scale(unit)), quant_word(unit, 4u)); }
fn code(words: ptr<function, Words>, s: Scales, octet: u32, i: u32) -> vec4f {
  return five_bit_value(words, s.rest, octet, i);
}
fn scale(s: Scales, half: u32) -> vec4f { return s.d; }
fn minimum(s: Scales, half: u32) -> vec4f { return s.d * -16.0; }
