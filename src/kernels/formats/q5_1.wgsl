// w = d q + m
const HALVES = 1u;
const SCALED = true;
const MINIMUMS = true;
struct Scales { dm: vec4u, rest: vec4u }
fn load_scales(unit: u32) -> Scales { return Scales(wide_scale(unit), quant_word(unit, 4u)); }
fn code(words: ptr<function, Words>, s: Scales, octet: u32, i: u32) -> vec4f {
  return five_bit_value(words, s.rest, octet, i);
}
fn scale(s: Scales, half: u32) -> vec4f { return low_halves(s.dm); }
fn minimum(s: Scales, half: u32) -> vec4f { return high_halves(s.dm); }
