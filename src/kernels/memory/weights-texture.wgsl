// A weight matrix in a texture, its words one behind the other, TEXTURE_WIDTH in a texel row. llvmpipe checks each 4
// bytes that an invocation loads from a buffer against the buffer's size, with a branch; 16 bytes of a texture it loads
// as one, which saves 20 to 30 % of a product's time (lab/kernels).
@group(0) @binding(1) var weights: texture_storage_2d<rgba32uint, read>;  // see weight-layout.ts

fn load_word(i: u32) -> vec4u { return textureLoad(weights, vec2u(i % TEXTURE_WIDTH, i / TEXTURE_WIDTH)); }
