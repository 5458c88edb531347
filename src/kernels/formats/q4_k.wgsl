// w = d sc q - dmin mn; sc and mn are six bits for each unit, d and dmin 16-bit floats for a super-block of eight units
const HALVES = 1u;
const SCALED = true;
const MINIMUMS = true;
struct Scales { unit: vec2u, block: vec4u }
fn load_scales(unit: u32) -> Scales { return Scales(narrow_scale(unit), super_scale(unit)); }
fn code(words: ptr<function, Words>, s: Scales, octet: u32, i: u32) -> vec4f { return nibble_value(words, i); }
fn scale(s: Scales, half: u32) -> vec4f { return low_halves(s.block) * vec4f(scale_bytes(s.unit, 0u)); }
fn minimum(s: Scales, half: u32) -> vec4f { return -(high_halves(s.block) * vec4f(scale_bytes(s.unit, 8u))); }
