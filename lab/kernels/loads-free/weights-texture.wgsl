// Nothing is loaded; no 16-bit float of it is subnormal, which CPUs are slow with.
@group(0) @binding(1) var weights: texture_storage_2d<rgba32uint, read>;

fn load_word(i: u32) -> vec4u { return (vec4u(i, i + 1u, i + 2u, i + 3u) * 0x9e3779b1u) | vec4u(0x04000400u); }
