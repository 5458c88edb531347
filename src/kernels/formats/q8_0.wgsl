// w = d q, q a signed byte
const HALVES = 1u;
const SCALED = true;
const MINIMUMS = false;
struct Scales { d: vec4f }
fn load_scales(unit: u32) -> Scales { return Scales(halves(narrow_scale(unit))); }
fn code(words: ptr<function, Words>, s: Scales, octet: u32, i: u32) -> vec4f { return byte_value(words, i); }
fn scale(s: Scales, half: u32) -> vec4f { return s.d; }
fn minimum(s: Scales, half: u32) -> vec4f { return vec4f(); }
