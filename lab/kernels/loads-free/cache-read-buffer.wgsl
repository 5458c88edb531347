// Nothing is loaded.
@group(0) @binding(2) var<storage, read> keys: array<vec4u>;
@group(0) @binding(3) var<storage, read> values: array<vec4u>;

fn key_word(i: u32) -> vec4u { return vec4u(i, i + 1u, i + 2u, i + 3u); }
fn value_word(i: u32) -> vec4u { return vec4u(i, i + 1u, i + 2u, i + 3u); }
