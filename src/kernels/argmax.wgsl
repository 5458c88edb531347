// The best of the tiles' bests; the row's chosen token goes to `chosen`, the last row's also to tokens[0], the next step's input.
// Grid: (1, rows). Ties go to the lower token, so the order doesn't matter.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> bests: array<Best>;  // [row][TILES]
@group(0) @binding(2) var<storage, read_write> chosen: array<u32>;
@group(0) @binding(3) var<storage, read_write> tokens: array<u32>;

const LANES = 64u;
struct Best { logit: f32, token: u32 }
var<workgroup> tree: array<Best, LANES>;

fn better(a: Best, b: Best) -> Best {
  if (b.logit > a.logit || (b.logit == a.logit && b.token < a.token)) { return b; }
  return a;
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.y;
  var best = bests[row * TILES];
  for (var i = lane; i < TILES; i += LANES) { best = better(best, bests[row * TILES + i]); }
  tree[lane] = best;
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    if (lane < half) { tree[lane] = better(tree[lane], tree[lane + half]); }
    workgroupBarrier();
  }
  if (lane == 0u) {
    chosen[step.chosen_at + row] = tree[0].token;
    if (row == step.rows - 1u) { tokens[0] = tree[0].token; }
  }
}
