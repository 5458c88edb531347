// w = the word itself
const HALVES = 1u;
const SCALED = false;
const MINIMUMS = false;
struct Scales { none: u32 }
fn load_scales(unit: u32) -> Scales { return Scales(0u); }
fn code(words: ptr<function, Words>, s: Scales, octet: u32, i: u32) -> vec4f { return bitcast<vec4f>((*words)[i]); }
fn scale(s: Scales, half: u32) -> vec4f { return vec4f(1.0); }
fn minimum(s: Scales, half: u32) -> vec4f { return vec4f(); }
