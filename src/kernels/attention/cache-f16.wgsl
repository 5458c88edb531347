// Keys and values as 16-bit floats, eight of a head in a word. pack2x16float is core WGSL, so this needs no shader-f16.
const CACHE_WORDS = 1u;
fn pack_cached(v: vec4f) -> vec4u { return vec4u(pack2x16float(v.xy), pack2x16float(v.zw), 0u, 0u); }
fn unpack_cached(words: array<vec4u, CACHE_WORDS>) -> array<vec4f, 2> {
  let w = words[0];
  return array<vec4f, 2>(
    vec4f(unpack2x16float(w.x), unpack2x16float(w.y)), vec4f(unpack2x16float(w.z), unpack2x16float(w.w)));
}
