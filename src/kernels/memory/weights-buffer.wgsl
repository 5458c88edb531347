// A weight matrix in a buffer.
@group(0) @binding(1) var<storage, read> weights: array<vec4u>;  // see weight-layout.ts

fn load_word(i: u32) -> vec4u { return weights[i]; }
