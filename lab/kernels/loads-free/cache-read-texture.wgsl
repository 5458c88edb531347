// Nothing is loaded.
@group(0) @binding(2) var keys: texture_storage_2d<rgba32uint, read>;
@group(0) @binding(3) var values: texture_storage_2d<rgba32uint, read>;

fn key_word(i: u32) -> vec4u { return vec4u(i, i + 1u, i + 2u, i + 3u); }
fn value_word(i: u32) -> vec4u { return vec4u(i, i + 1u, i + 2u, i + 3u); }
