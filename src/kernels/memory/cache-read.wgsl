// Eight elements of a head: octet `i` of the cache.
fn key_octet(i: u32) -> array<vec4f, 2> {
  var words = array<vec4u, CACHE_WORDS>();
  for (var w = 0u; w < CACHE_WORDS; w++) { words[w] = key_word(i * CACHE_WORDS + w); }
  return unpack_cached(words);
}
fn value_octet(i: u32) -> array<vec4f, 2> {
  var words = array<vec4u, CACHE_WORDS>();
  for (var w = 0u; w < CACHE_WORDS; w++) { words[w] = value_word(i * CACHE_WORDS + w); }
  return unpack_cached(words);
}
