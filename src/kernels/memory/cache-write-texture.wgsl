// The key-value cache as QKV writes it, in textures (see weights-texture.wgsl); quad `i` of the cache. Where that is half a word, two lanes make one.
@group(0) @binding(6) var keys: texture_storage_2d<rgba32uint, write>;
@group(0) @binding(7) var values: texture_storage_2d<rgba32uint, write>;

fn place(word: u32) -> vec2u { return vec2u(word % TEXTURE_WIDTH, word / TEXTURE_WIDTH); }

// Of two lanes, the even one's word and the odd one's.
fn joined(lane: u32, word: vec4u) -> vec4u {
  if (CACHE_WORDS == 2u) { return word; }
  return vec4u(word.xy, subgroupShuffle(word.x, lane ^ 1u), subgroupShuffle(word.y, lane ^ 1u));
}

// Called by all lanes, of which the even ones have even quads; those with `stores` have something to store.
fn store_key(lane: u32, i: u32, value: vec4f, stores: bool) {
  let word = joined(lane, pack_cached(value));
  if (stores && (CACHE_WORDS == 2u || lane % 2u == 0u)) { textureStore(keys, place(i * CACHE_WORDS / 2u), word); }
}
fn store_value(lane: u32, i: u32, value: vec4f, stores: bool) {
  let word = joined(lane, pack_cached(value));
  if (stores && (CACHE_WORDS == 2u || lane % 2u == 0u)) { textureStore(values, place(i * CACHE_WORDS / 2u), word); }
}
