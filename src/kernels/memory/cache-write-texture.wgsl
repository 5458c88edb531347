// The KV cache as QKV writes it, in textures (see weights-texture.wgsl): four elements, which are quad `i` of the
// cache, take half a word or a whole one. Two invocations together make a word of two halves.
@group(0) @binding(6) var keys: texture_storage_2d<rgba32uint, write>;
@group(0) @binding(7) var values: texture_storage_2d<rgba32uint, write>;

fn place(word: u32) -> vec2u { return vec2u(word % TEXTURE_WIDTH, word / TEXTURE_WIDTH); }

// The word that an even invocation makes with the odd one behind it.
fn joined(invocation: u32, word: vec4u) -> vec4u {
  if (CACHE_WORDS == 2u) { return word; }
  return vec4u(word.xy, subgroupShuffle(word.x, invocation ^ 1u), subgroupShuffle(word.y, invocation ^ 1u));
}

// All invocations call this, the even ones with even quads; those with `stores` have something to store.
fn store_key(invocation: u32, i: u32, value: vec4f, stores: bool) {
  let word = joined(invocation, pack_cached(value));
  if (stores && (CACHE_WORDS == 2u || invocation % 2u == 0u)) { textureStore(keys, place(i * CACHE_WORDS / 2u), word); }
}
fn store_value(invocation: u32, i: u32, value: vec4f, stores: bool) {
  let word = joined(invocation, pack_cached(value));
  if (stores && (CACHE_WORDS == 2u || invocation % 2u == 0u)) {
    textureStore(values, place(i * CACHE_WORDS / 2u), word);
  }
}
