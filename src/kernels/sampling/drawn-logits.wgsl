// What a token is drawn by, but for the noise of gumbel.wgsl: logit / temperature, and LOWEST for tokens that the
// filters leave out. The softmax of these is what the draw's probabilities are. Leaves each tile's best, as
// epilogue-logits.wgsl does, and NO_TOKEN where that has left it.
// Grid: (ceil(TILES / 64), M); an invocation has a tile.
// Order of summation: that of the tile's tokens.
@group(0) @binding(0) var<uniform> sampling: Sampling;
@group(0) @binding(1) var<storage, read> cutoffs: array<Cutoff>;  // [M], of top-k-top-p.wgsl
@group(0) @binding(2) var<storage, read> logits: array<f32>;  // [M][VOCABULARY]
@group(0) @binding(3) var<storage, read> argmax_tiles: array<ArgmaxTile>;  // [M][TILES]
@group(0) @binding(4) var<storage, read_write> drawn: array<f32>;  // [M][VOCABULARY]
@group(0) @binding(5) var<storage, read_write> drawn_tiles: array<ArgmaxTile>;  // [M][TILES]

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let tile = id.x;
  let row = id.y;
  if (tile >= TILES) { return; }
  let at = row * TILES + tile;
  drawn_tiles[at] = argmax_tiles[at];
  if (argmax_tiles[at].token == NO_TOKEN) { return; }
  let first = tile * TILE_TOKENS;
  var best = ScoredToken(LOWEST, first);
  for (var token = first; token < min(first + TILE_TOKENS, VOCABULARY); token++) {
    let logit = logits[row * VOCABULARY + token];
    let scaled = select(LOWEST, logit * sampling.inverse_temperature, is_kept(cutoffs[row], logit, token));
    drawn[row * VOCABULARY + token] = scaled;
    best = better(best, ScoredToken(scaled, token));
  }
  var sum = 0.0;
  for (var token = first; token < min(first + TILE_TOKENS, VOCABULARY); token++) {
    sum += exp(drawn[row * VOCABULARY + token] - best.score);
  }
  drawn_tiles[at] = ArgmaxTile(best.score, best.token, sum);
}
