// Writes the logits, and each tile's best for argmax.wgsl. The matrix may hold only some of the rows: ROW_OFFSET, TILE_OFFSET.
@group(0) @binding(4) var<storage, read_write> logits: array<f32>;  // [column][VOCABULARY]
@group(0) @binding(5) var<storage, read_write> bests: array<TileBest>;  // [column][TILES]

fn epilogue(column: u32, row_group: u32, y: vec4f) {
  let row = row_group * 4u + ROW_OFFSET;
  var best = Best(y.x, row);
  for (var i = 1u; i < 4u; i++) {
    if (row + i < VOCABULARY) { best = better(best, Best(y[i], row + i)); }
  }
  if (row >= VOCABULARY) { best.score = LOWEST; }
  best = best_over_rows(best);
  let shares = exp(y - best.score);
  var sum = 0.0;
  for (var i = 0u; i < 4u; i++) { sum += select(0.0, shares[i], row + i < VOCABULARY); }
  sum = sum_over_rows(sum);
  if (!owner() || column >= step.rows) { return; }
  for (var i = 0u; i < 4u; i++) {
    if (row + i < VOCABULARY) { logits[column * VOCABULARY + row + i] = y[i]; }
  }
  if (tile_lane == 0u) { bests[column * TILES + TILE_OFFSET + tile] = TileBest(best.score, best.token, sum); }
}
