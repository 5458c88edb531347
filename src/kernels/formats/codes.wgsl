// How codes come out of a unit's words as floats.
// IN_PLACE: from the bits where they stand and a power of two, which is exact (`codesInPlace` in kernel-variant.ts).
// Whole numbers are converted as signed ones, since SSE takes five instructions for an unsigned one.

// 2^-n
fn half_to(n: u32) -> f32 { return bitcast<f32>((127u - n) << 23u); }

// The code under `mask` from bit `at` on.
fn code_at(word: vec4u, at: u32, mask: u32) -> vec4f {
  if (IN_PLACE && mask << at < 0x80000000u) { return vec4f(vec4i(word & vec4u(mask << at))) * half_to(at); }
  return vec4f(vec4i((word >> vec4u(at)) & vec4u(mask)));
}

fn nibble(words: ptr<function, Words>, i: u32) -> vec4u { return ((*words)[0] >> vec4u(4u * i)) & vec4u(15u); }

fn nibble_value(words: ptr<function, Words>, i: u32) -> vec4f { return code_at((*words)[0], 4u * i, 15u); }

// Codes of five bits: the octet's word has six of them, and in its upper two bits the upper ones of the last two codes'
// ten, of which the lower eight are the octet's byte of `rest`.
fn five_bit_value(words: ptr<function, Words>, rest: vec4u, octet: u32, i: u32) -> vec4f {
  let word = (*words)[0];
  // The remainder keeps the shift in range where it is a constant (unrolled-text.ts): WGSL asks for that.
  let at = 5u * (i % 6u);
  if (i < 6u) { return code_at(word, at, 31u); }
  let last = ((word >> vec4u(30u)) << vec4u(8u)) | ((rest >> vec4u(8u * octet)) & vec4u(255u));
  return code_at(last, at, 31u);
}

// Codes of six bits: the octet's word has five of them, and in its upper two bits the upper ones of the last three
// codes' eighteen, of which the lower sixteen are `rest`.
fn six_bit_value(words: ptr<function, Words>, rest: vec4u, i: u32) -> vec4f {
  let word = (*words)[0];
  let at = 6u * (i % 5u);
  if (i < 5u) { return code_at(word, at, 63u); }
  return code_at(((word >> vec4u(30u)) << vec4u(16u)) | rest, at, 63u);
}

// A signed byte.
fn byte_value(words: ptr<function, Words>, i: u32) -> vec4f {
  // The remainder keeps the index in range in formats that call this only where they are EXPANDED.
  let word = (*words)[i / 4u % max(OCTET_WORDS, 1u)];
  let bit = 8u * (i % 4u);
  if (IN_PLACE) {
    if (bit == 24u) { return vec4f(bitcast<vec4i>(word & vec4u(0xff000000u))) * half_to(24u); }
    // With 128 added the byte has no sign.
    let more = 128u << bit;
    return vec4f(vec4i((word ^ vec4u(more)) & vec4u(255u << bit)) - vec4i(i32(more))) * half_to(bit);
  }
  return vec4f(bitcast<vec4i>(word << vec4u(24u - bit)) >> vec4u(24u));
}

// The value of a code of IQ4_NL and IQ4_XS (kvalues_iq4nl in ggml-common.h), -127 to 113. This polynomial comes within
// 0.44 of each of the 16 whole numbers, so rounding it is exact, however a driver rounds on the way.
fn iq4_value(words: ptr<function, Words>, i: u32) -> vec4f {
  if (EXPANDED) { return byte_value(words, i); }
  let t = nibble_value(words, i) - 8.0;
  let high = fma(t, fma(t, vec4f(0.001586), vec4f(0.08184)), vec4f(-0.0168));
  return round(fma(t, fma(t, high, vec4f(11.44)), vec4f(1.433)));
}

// Twice the value of a code of MXFP4 (E2M1: a sign, two bits of exponent, one of mantissa): 0, 1, 2, 3, 4, 6, 8, 12.
fn e2m1_value(words: ptr<function, Words>, i: u32) -> vec4f {
  if (EXPANDED) { return byte_value(words, i); }
  let code = vec4i(nibble(words, i));
  let size = code & vec4i(7);
  let value = size + max(size, vec4i(4)) + 2 * max(size, vec4i(6)) - 16;
  return vec4f(select(value, -value, code > vec4i(7)));
}
