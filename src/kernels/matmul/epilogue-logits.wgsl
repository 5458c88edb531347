// Writes the logits, and each tile's best for argmax.wgsl; where one of the tile's logits is no finite number, NO_TOKEN
// with the highest score. The matrix may hold only part of N, from N_OFFSET and TILE_OFFSET on.
@group(0) @binding(4) var<storage, read_write> logits: array<f32>;  // [M][VOCABULARY]
@group(0) @binding(5) var<storage, read_write> argmax_tiles: array<ArgmaxTile>;  // [M][TILES]

fn epilogue(row: u32, n_quad: u32, products: vec4f) {
  let token = n_quad * 4u + N_OFFSET;
  let y = logits_of(products, token);
  var best = ScoredToken(LOWEST, token);
  for (var i = 0u; i < 4u; i++) {
    if (token + i < VOCABULARY) { best = better(best, scored(y[i], token + i)); }
  }
  best = best_over_tile(best);
  let shares = exp(y - best.score);
  var sum = 0.0;
  for (var i = 0u; i < 4u; i++) { sum += select(0.0, shares[i], token + i < VOCABULARY); }
  sum = sum_over_tile(sum);
  if (!owner() || row >= step.rows) { return; }
  for (var i = 0u; i < 4u; i++) {
    if (token + i < VOCABULARY) { logits[row * VOCABULARY + token + i] = y[i]; }
  }
  if (tile_quad == 0u) { argmax_tiles[row * TILES + TILE_OFFSET + tile] = ArgmaxTile(best.score, best.token, sum); }
}
