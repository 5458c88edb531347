// What is needed for log-probabilities of a row by its logits: the log of the sum of all exponentials, and the TOP
// likeliest tokens in their order.
// Grid: (1, M). Ties go to the lower token.
// Order of summation: an invocation adds every INVOCATIONS-th tile, then the invocations' sums are added by a tree.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> logits: array<f32>;  // [M][VOCABULARY]
@group(0) @binding(2) var<storage, read> argmax_tiles: array<ArgmaxTile>;  // [M][TILES], of epilogue-logits.wgsl
@group(0) @binding(3) var<storage, read_write> logprobs: array<Logprobs>;  // [M] from step.chosen_at on

var<workgroup> tree: array<ScoredToken, INVOCATIONS>;
var<workgroup> sums: array<f32, INVOCATIONS>;

// Whether it comes behind `last` in the order by falling logit and rising token.
fn is_behind(one: ScoredToken, last: ScoredToken) -> bool {
  return one.score < last.score || (one.score == last.score && one.token > last.token);
}

// The best of the tile that comes behind `last`: mostly the tile's best, since few of those were taken.
fn best_behind(row: u32, tile: u32, last: ScoredToken) -> ScoredToken {
  let first = argmax_tiles[row * TILES + tile];
  var best = ScoredToken(first.score, first.token);
  if (is_behind(best, last)) { return best; }
  best = ScoredToken(LOWEST, 0xffffffffu);
  let begin = tile * TILE_TOKENS;
  for (var token = begin; token < min(begin + TILE_TOKENS, VOCABULARY); token++) {
    let one = ScoredToken(logits[row * VOCABULARY + token], token);
    if (is_behind(one, last)) { best = better(best, one); }
  }
  return best;
}

@compute @workgroup_size(INVOCATIONS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) invocation: u32) {
  let row = group.y;
  let at = step.chosen_at + row;
  var last = ScoredToken(HIGHEST, 0u);
  var high = 0.0;
  for (var place = 0u; place < TOP; place++) {
    var mine = ScoredToken(LOWEST, 0xffffffffu);
    for (var tile = invocation; tile < TILES; tile += INVOCATIONS) {
      mine = better(mine, best_behind(row, tile, last));
    }
    tree[invocation] = mine;
    workgroupBarrier();
    for (var half = INVOCATIONS / 2u; half > 0u; half /= 2u) {
      if (invocation < half) { tree[invocation] = better(tree[invocation], tree[invocation + half]); }
      workgroupBarrier();
    }
    last = tree[0];
    workgroupBarrier();
    if (place == 0u) { high = last.score; }
    if (invocation == 0u) { logprobs[at].top[place] = last; }
  }
  var sum = 0.0;
  for (var tile = invocation; tile < TILES; tile += INVOCATIONS) {
    let one = argmax_tiles[row * TILES + tile];
    sum = fma(one.sum, exp(one.score - high), sum);
  }
  sums[invocation] = sum;
  workgroupBarrier();
  for (var half = INVOCATIONS / 2u; half > 0u; half /= 2u) {
    if (invocation < half) { sums[invocation] += sums[invocation + half]; }
    workgroupBarrier();
  }
  if (invocation == 0u) { logprobs[at].log_sum = high + log(sums[0]); }
}
