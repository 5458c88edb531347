// The rows that a product multiplies, in a buffer.
@group(0) @binding(2) var<storage, read> x: array<vec4f>;  // [M][K / 4]

fn load_x(row: u32, quad: u32) -> vec4f { return x[row * (UNITS * 8u) + quad]; }
