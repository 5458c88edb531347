// Adds y to the residual stream and leaves what the next RMSNorm needs: residual * norm weight, and each tile's sum of
// squares. N is HIDDEN. The matrix may hold only part of N, from N_OFFSET and TILE_OFFSET on.
@group(0) @binding(3) var<storage, read> norm_weight: array<vec4f>;  // [HIDDEN / 4]
@group(0) @binding(5) var<storage, read_write> residual: array<vec4f>;  // [M][HIDDEN / 4]
@group(0) @binding(6) var<storage, read_write> squares: array<f32>;  // [M][HIDDEN / TILE_N]

fn input_scale(row: u32) -> f32 { return 1.0; }

fn epilogue(row: u32, part_quad: u32, y: vec4f) {
  let n_quad = part_quad + N_OFFSET / 4u;
  let at = row * (HIDDEN / 4u) + n_quad;
  let sum = residual[at] + y;
  let square = sum_over_tile(fma(sum.x, sum.x, fma(sum.y, sum.y, fma(sum.z, sum.z, sum.w * sum.w))));
  if (!owner() || row >= step.rows) { return; }
  residual[at] = sum;
  store_quad(row, n_quad, sum * norm_weight[n_quad]);
  if (tile_quad == 0u) { squares[row * (HIDDEN / TILE_N) + TILE_OFFSET + tile] = square; }
}
