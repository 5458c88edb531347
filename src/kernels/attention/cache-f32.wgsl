// Keys and values as 32-bit floats, eight of a head in two words.
const CACHE_WORDS = 2u;
fn pack_cached(v: vec4f) -> vec4u { return bitcast<vec4u>(v); }
fn unpack_cached(words: array<vec4u, CACHE_WORDS>) -> array<vec4f, 2> {
  return array<vec4f, 2>(bitcast<vec4f>(words[0]), bitcast<vec4f>(words[1]));
}
