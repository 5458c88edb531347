// What a product reads, in a buffer.
@group(0) @binding(2) var<storage, read> x: array<vec4f>;  // [column][UNITS * 8]

fn load_x(column: u32, quad: u32) -> vec4f { return x[column * (UNITS * 8u) + quad]; }
