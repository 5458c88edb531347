// Each tile's best of changed logits, as epilogue-logits.wgsl leaves it, and NO_TOKEN where that has left it.
// Grid: (ceil(TILES / 64), M); an invocation has a tile.
// Order of summation: that of the tile's tokens.
@group(0) @binding(0) var<storage, read> logits: array<f32>;  // [M][VOCABULARY]
@group(0) @binding(1) var<storage, read_write> argmax_tiles: array<ArgmaxTile>;  // [M][TILES]

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let tile = id.x;
  let row = id.y;
  if (tile >= TILES || argmax_tiles[row * TILES + tile].token == NO_TOKEN) { return; }
  let first = tile * TILE_TOKENS;
  var best = ScoredToken(LOWEST, first);
  for (var token = first; token < min(first + TILE_TOKENS, VOCABULARY); token++) {
    best = better(best, scored(logits[row * VOCABULARY + token], token));
  }
  var sum = 0.0;
  for (var token = first; token < min(first + TILE_TOKENS, VOCABULARY); token++) {
    sum += exp(logits[row * VOCABULARY + token] - best.score);
  }
  argmax_tiles[row * TILES + tile] = ArgmaxTile(best.score, best.token, sum);
}
