// The rows that a product multiplies, in a texture; see weights-texture.wgsl.
@group(0) @binding(2) var x: texture_storage_2d<rgba32float, read>;  // [M][K / 4]

fn load_x(row: u32, quad: u32) -> vec4f { return textureLoad(x, vec2u(quad, row)); }
