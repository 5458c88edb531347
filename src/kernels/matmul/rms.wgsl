// 1 / rms of a row of the residual stream (RMSNorm, arXiv 1910.07467), from the sums of squares that its writer left,
// one for each tile. They are added in the order of the tiles, whatever the number of rows.
@group(0) @binding(3) var<storage, read> squares_in: array<f32>;  // [M][HIDDEN / TILE_N]

fn input_scale(row: u32) -> f32 {
  const HIDDEN_TILES = HIDDEN / TILE_N;
  var total = 0.0;
  for (var i = invocation; i < HIDDEN_TILES; i += INVOCATIONS) { total += squares_in[row * HIDDEN_TILES + i]; }
  return inverseSqrt(fma(sum_over_workgroup(vec4f(total)).x, 1.0 / f32(HIDDEN), RMS_EPSILON));
}
