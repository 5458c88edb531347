// The KV cache as attention reads it, in textures (see weights-texture.wgsl): [slot][KV_HEADS][HEAD_SIZE / 8]
// [CACHE_WORDS], a texel for each word.
@group(0) @binding(2) var keys: texture_storage_2d<rgba32uint, read>;
@group(0) @binding(3) var values: texture_storage_2d<rgba32uint, read>;

fn key_word(i: u32) -> vec4u { return textureLoad(keys, vec2u(i % TEXTURE_WIDTH, i / TEXTURE_WIDTH)); }
fn value_word(i: u32) -> vec4u { return textureLoad(values, vec2u(i % TEXTURE_WIDTH, i / TEXTURE_WIDTH)); }
