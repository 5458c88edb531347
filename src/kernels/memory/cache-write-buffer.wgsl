// The KV cache as QKV writes it, in buffers: four elements, which are quad `i` of the cache, take half a word or a
// whole one.
@group(0) @binding(6) var<storage, read_write> keys: array<vec2u>;  // [slot][KV_HEADS][HEAD_SIZE / 4][CACHE_WORDS]
@group(0) @binding(7) var<storage, read_write> values: array<vec2u>;  // as keys

// All invocations call this; those with `stores` have something to store.
fn store_key(invocation: u32, i: u32, value: vec4f, stores: bool) {
  if (!stores) { return; }
  let word = pack_cached(value);
  keys[i * CACHE_WORDS] = word.xy;
  if (CACHE_WORDS == 2u) { keys[i * CACHE_WORDS + 1u] = word.zw; }
}
fn store_value(invocation: u32, i: u32, value: vec4f, stores: bool) {
  if (!stores) { return; }
  let word = pack_cached(value);
  values[i * CACHE_WORDS] = word.xy;
  if (CACHE_WORDS == 2u) { values[i * CACHE_WORDS + 1u] = word.zw; }
}
