// The key-value cache as attention reads it, in buffers: [position][KV_HEADS][HEAD_SIZE / 8][CACHE_WORDS].
@group(0) @binding(2) var<storage, read> keys: array<vec4u>;
@group(0) @binding(3) var<storage, read> values: array<vec4u>;

fn key_word(i: u32) -> vec4u { return keys[i]; }
fn value_word(i: u32) -> vec4u { return values[i]; }
