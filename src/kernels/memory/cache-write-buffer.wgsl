// The key-value cache as QKV writes it, in buffers: half a word, or a whole one, for four elements; quad `i` of the cache.
@group(0) @binding(6) var<storage, read_write> keys: array<vec2u>;
@group(0) @binding(7) var<storage, read_write> values: array<vec2u>;

// Called by all lanes; those with `stores` have something to store.
fn store_key(lane: u32, i: u32, value: vec4f, stores: bool) {
  if (!stores) { return; }
  let word = pack_cached(value);
  keys[i * CACHE_WORDS] = word.xy;
  if (CACHE_WORDS == 2u) { keys[i * CACHE_WORDS + 1u] = word.zw; }
}
fn store_value(lane: u32, i: u32, value: vec4f, stores: bool) {
  if (!stores) { return; }
  let word = pack_cached(value);
  values[i * CACHE_WORDS] = word.xy;
  if (CACHE_WORDS == 2u) { values[i * CACHE_WORDS + 1u] = word.zw; }
}
