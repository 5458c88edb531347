// w = d q, q a signed byte
const OCTET_WORDS = 2u;
const UNIT_WORDS = 8u;
const HALVES = 1u;
const SCALED = true;
const MINIMUMS = false;
struct Scales { d: vec4f }
fn load_scales(unit: u32) -> Scales { return Scales(halves(narrow_scale(unit))); }
fn code(words: ptr<function, Words>, s: Scales, octet: u32, i: u32) -> vec4f {
  let word = (*words)[i / 4u];
  let bit = 8u * (i % 4u);
  if (IN_PLACE) {
    if (bit == 24u) { return vec4f(bitcast<vec4i>(word & vec4u(0xff000000u))) * half_to(24u); }
    // With 128 added the byte has no sign.
    let more = 128u << bit;
    return vec4f(vec4i((word ^ vec4u(more)) & vec4u(255u << bit)) - vec4i(i32(more))) * half_to(bit);
  }
  return vec4f(bitcast<vec4i>(word << vec4u(24u - bit)) >> vec4u(24u));
}
fn scale(s: Scales, half: u32) -> vec4f { return s.d; }
fn minimum(s: Scales) -> vec4f { return vec4f(); }
