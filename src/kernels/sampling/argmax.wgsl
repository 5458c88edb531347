// Chooses each row's token: the best of its tiles' best ones, with its share in the softmax of all scores, and the
// second best of all scores. The last row's token also goes to tokens[0], the next step's input.
// Grid: (1, M). Ties go to the lower token, so the order of comparisons doesn't matter.
// Order of summation: an invocation adds every INVOCATIONS-th tile, then the invocations' sums are added by a tree.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> argmax_tiles: array<ArgmaxTile>;  // [M][TILES]
@group(0) @binding(2) var<storage, read> scores: array<f32>;  // [M][VOCABULARY]
@group(0) @binding(3) var<storage, read_write> chosen: array<Chosen>;  // [M] from step.chosen_at on
@group(0) @binding(4) var<storage, read_write> tokens: array<u32>;

const INVOCATIONS = 64u;
var<workgroup> tree: array<ScoredToken, INVOCATIONS>;
var<workgroup> sums: array<f32, INVOCATIONS>;

@compute @workgroup_size(INVOCATIONS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) invocation: u32) {
  let row = group.y;
  var mine = ScoredToken(LOWEST, 0u);
  for (var i = invocation; i < TILES; i += INVOCATIONS) {
    let tile = argmax_tiles[row * TILES + i];
    mine = better(mine, ScoredToken(tile.score, tile.token));
  }
  tree[invocation] = mine;
  workgroupBarrier();
  for (var half = INVOCATIONS / 2u; half > 0u; half /= 2u) {
    if (invocation < half) { tree[invocation] = better(tree[invocation], tree[invocation + half]); }
    workgroupBarrier();
  }
  let best = tree[0];
  workgroupBarrier();

  mine = ScoredToken(LOWEST, select(0u, 1u, best.token == 0u));
  var sum = 0.0;
  for (var i = invocation; i < TILES; i += INVOCATIONS) {
    let tile = argmax_tiles[row * TILES + i];
    sum = fma(tile.sum, exp(tile.score - best.score), sum);
    if (tile.token != best.token) { mine = better(mine, ScoredToken(tile.score, tile.token)); }
  }
  // The second best may be in the best one's tile.
  for (var i = invocation; i < TILE_TOKENS; i += INVOCATIONS) {
    let token = best.token / TILE_TOKENS * TILE_TOKENS + i;
    if (token < VOCABULARY && token != best.token) {
      mine = better(mine, ScoredToken(scores[row * VOCABULARY + token], token));
    }
  }
  tree[invocation] = mine;
  sums[invocation] = sum;
  workgroupBarrier();
  for (var half = INVOCATIONS / 2u; half > 0u; half /= 2u) {
    if (invocation < half) {
      tree[invocation] = better(tree[invocation], tree[invocation + half]);
      sums[invocation] += sums[invocation + half];
    }
    workgroupBarrier();
  }
  if (invocation == 0u) {
    let confidence = select(min(1.0, 1.0 / sums[0]), 0.0, best.token == NO_TOKEN);
    chosen[step.chosen_at + row] = Chosen(best.token, confidence, tree[0].token);
    if (row == step.rows - 1u) { tokens[0] = best.token; }
  }
}
