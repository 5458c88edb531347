// What a product with a bias comes to.
@group(0) @binding(BIAS_BINDING) var<storage, read> bias: array<vec4f>;  // [N / 4], up to the end of the last tile

fn finished(quad: u32, y: vec4f, scale: f32) -> vec4f {
  return fma(y, vec4f(scale), bias[TILE_OFFSET * TILE_QUADS + quad]);
}
