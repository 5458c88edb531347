// What a product reads, in a texture; see weights-texture.wgsl.
@group(0) @binding(2) var x: texture_storage_2d<rgba32float, read>;  // [column][UNITS * 8]

fn load_x(column: u32, quad: u32) -> vec4f { return textureLoad(x, vec2u(quad, column)); }
