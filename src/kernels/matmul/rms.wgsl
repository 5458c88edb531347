// 1 / rms of a column of the residual stream, from the sums of squares that its writer left, one a tile of rows (RMSNorm, arXiv 1910.07467).
// The order is that of the tiles, whatever the number of columns.
@group(0) @binding(3) var<storage, read> squares_in: array<f32>;  // [column][HIDDEN / (4 * ROW_LANES)]

fn input_scale(column: u32) -> f32 {
  const TILES = HIDDEN / (4u * ROW_LANES);
  var total = 0.0;
  for (var i = lane; i < TILES; i += LANES) { total += squares_in[column * TILES + i]; }
  return inverseSqrt(fma(sum_over_lanes(vec4f(total)).x, 1.0 / f32(HIDDEN), RMS_EPSILON));
}
