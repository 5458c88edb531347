// Adds y to the residual stream and leaves what the next RMSNorm needs: residual * norm weight, and each tile's sum of squares.
// A matrix may hold only some of the rows: ROW_OFFSET, TILE_OFFSET.
@group(0) @binding(3) var<storage, read> norm_weight: array<vec4f>;  // [HIDDEN / 4]
@group(0) @binding(5) var<storage, read_write> residual: array<vec4f>;  // [column][HIDDEN / 4]
@group(0) @binding(6) var<storage, read_write> squares: array<f32>;  // [column][HIDDEN / (4 * ROW_LANES)]

fn input_scale(column: u32) -> f32 { return 1.0; }

fn epilogue(column: u32, part_row_group: u32, y: vec4f) {
  let row_group = part_row_group + ROW_OFFSET / 4u;
  let at = column * (HIDDEN / 4u) + row_group;
  let sum = residual[at] + y;
  let square = sum_over_rows(fma(sum.x, sum.x, fma(sum.y, sum.y, fma(sum.z, sum.z, sum.w * sum.w))));
  if (!owner() || column >= step.rows) { return; }
  residual[at] = sum;
  store_quad(column, row_group, sum * norm_weight[row_group]);
  if (tile_lane == 0u) { squares[column * (HIDDEN / (4u * ROW_LANES)) + TILE_OFFSET + tile] = square; }
}
