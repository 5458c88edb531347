// Of the tiles' bests the best, how much of the softmax of all scores it has, and the second best of all scores. The last row's token also goes
// to tokens[0], the next step's input.
// Grid: (1, rows). Ties go to the lower token, so the order of comparisons doesn't matter. Order of summation: a lane adds every LANES-th tile, then
// a tree.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> bests: array<TileBest>;  // [row][TILES]
@group(0) @binding(2) var<storage, read> scores: array<f32>;  // [row][VOCABULARY]
@group(0) @binding(3) var<storage, read_write> chosen: array<Choice>;
@group(0) @binding(4) var<storage, read_write> tokens: array<u32>;

const LANES = 64u;
var<workgroup> tree: array<Best, LANES>;
var<workgroup> sums: array<f32, LANES>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.y;
  var mine = Best(LOWEST, 0u);
  for (var i = lane; i < TILES; i += LANES) {
    let tile = bests[row * TILES + i];
    mine = better(mine, Best(tile.score, tile.token));
  }
  tree[lane] = mine;
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    if (lane < half) { tree[lane] = better(tree[lane], tree[lane + half]); }
    workgroupBarrier();
  }
  let best = tree[0];
  workgroupBarrier();

  mine = Best(LOWEST, select(0u, 1u, best.token == 0u));
  var sum = 0.0;
  for (var i = lane; i < TILES; i += LANES) {
    let tile = bests[row * TILES + i];
    sum = fma(tile.sum, exp(tile.score - best.score), sum);
    if (tile.token != best.token) { mine = better(mine, Best(tile.score, tile.token)); }
  }
  // The second best may be of the best one's tile.
  for (var i = lane; i < TILE_TOKENS; i += LANES) {
    let token = best.token / TILE_TOKENS * TILE_TOKENS + i;
    if (token < VOCABULARY && token != best.token) { mine = better(mine, Best(scores[row * VOCABULARY + token], token)); }
  }
  tree[lane] = mine;
  sums[lane] = sum;
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    if (lane < half) {
      tree[lane] = better(tree[lane], tree[lane + half]);
      sums[lane] += sums[lane + half];
    }
    workgroupBarrier();
  }
  if (lane == 0u) {
    chosen[step.chosen_at + row] = Choice(best.token, min(1.0, 1.0 / sums[0]), tree[0].token);
    if (row == step.rows - 1u) { tokens[0] = best.token; }
  }
}
