// Writes the logits, and each tile's best for argmax.wgsl. The matrix may hold only some of the rows: ROW_OFFSET, TILE_OFFSET.
@group(0) @binding(4) var<storage, read_write> logits: array<f32>;  // [column][VOCABULARY]
@group(0) @binding(5) var<storage, read_write> bests: array<Best>;  // [column][TILES]

fn finish(column: u32, row_group: u32, y: vec4f) {
  let row = row_group * 4u + ROW_OFFSET;
  var best = Best(y.x, row);
  for (var i = 1u; i < 4u; i++) {
    if (row + i < VOCABULARY) { best = better(best, Best(y[i], row + i)); }
  }
  if (row >= VOCABULARY) { best.logit = -3.4028234e38; }
  best = best_over_rows(best);
  if (!owner() || column >= step.rows) { return; }
  for (var i = 0u; i < 4u; i++) {
    if (row + i < VOCABULARY) { logits[column * VOCABULARY + row + i] = y[i]; }
  }
  if (tile_lane == 0u) { bests[column * TILES + TILE_OFFSET + tile] = best; }
}
