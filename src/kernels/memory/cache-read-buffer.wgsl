// The KV cache as attention reads it, in buffers.
@group(0) @binding(2) var<storage, read> keys: array<vec4u>;  // [slot][KV_HEADS][HEAD_SIZE / 8][CACHE_WORDS]
@group(0) @binding(3) var<storage, read> values: array<vec4u>;  // as keys

fn key_word(i: u32) -> vec4u { return keys[i]; }
fn value_word(i: u32) -> vec4u { return values[i]; }
