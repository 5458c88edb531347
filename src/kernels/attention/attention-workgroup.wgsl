// As attention-subgroup.wgsl, without subgroups: blocks of INVOCATIONS positions, maxima and sums by fixed trees in
// workgroup memory. An invocation takes the key of one position, and of the values four dimensions of every PARTS-th
// position; where a head's quads are no power of two, the invocations that would have the quads up to the next one
// compute the last quad again.
// Grid: (KV_HEADS, M).
// Assumes: INVOCATIONS is a power of two and at least HEAD_SIZE / 4.
// Not timed on a GPU yet; on software adapters given up after 100 s (2026-11-25).
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> queries: array<vec4f>;  // [M][KV_HEADS][GROUP][HEAD_SIZE / 4], scaled

const INVOCATIONS = 64u;
const LOWEST = -3.4028234e38;
const QUADS = HEAD_SIZE / 4u;
const PARTS = 1u << firstLeadingBit(INVOCATIONS / QUADS);
const WIDTH = INVOCATIONS / PARTS;
var<workgroup> q: array<vec4f, GROUP * QUADS>;
var<workgroup> weight: array<f32, GROUP * INVOCATIONS>;
var<workgroup> tree: array<f32, GROUP * INVOCATIONS>;
var<workgroup> parts: array<vec4f, INVOCATIONS>;

fn value_quad(position: u32, head: u32, quad: u32) -> vec4f {
  return value_octet((slot(position) * KV_HEADS + head) * (QUADS / 2u) + quad / 2u)[quad % 2u];
}

@compute @workgroup_size(INVOCATIONS)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) invocation: u32) {
  let head = id.x;
  let row = id.y;
  let last = step.position + row;
  let at = (row * KV_HEADS + head) * GROUP * QUADS;
  let quad = min(invocation % WIDTH, QUADS - 1u);
  for (var i = invocation; i < GROUP * QUADS; i += INVOCATIONS) { q[i] = queries[at + i]; }
  workgroupBarrier();
  var sum = array<vec4f, GROUP>();
  var high = array<f32, GROUP>();
  var total = array<f32, GROUP>();
  for (var g = 0u; g < GROUP; g++) { high[g] = LOWEST; }
  for (var block = first_seen(last) / INVOCATIONS; block <= last / INVOCATIONS; block++) {
    let position = block * INVOCATIONS + invocation;
    var score = array<f32, GROUP>();
    for (var o = 0u; o < QUADS / 2u; o++) {
      let k = key_octet((slot(min(position, last)) * KV_HEADS + head) * (QUADS / 2u) + o);
      for (var g = 0u; g < GROUP; g++) {
        for (var i = 0u; i < 8u; i++) {
          score[g] = fma(q[g * QUADS + o * 2u + i / 4u][i % 4u], k[i / 4u][i % 4u], score[g]);
        }
      }
    }
    for (var g = 0u; g < GROUP; g++) {
      tree[g * INVOCATIONS + invocation] = select(LOWEST, score[g], sees(last, position));
    }
    workgroupBarrier();
    for (var half = INVOCATIONS / 2u; half > 0u; half /= 2u) {
      if (invocation < half) {
        for (var g = 0u; g < GROUP; g++) {
          let at = g * INVOCATIONS + invocation;
          tree[at] = max(tree[at], tree[at + half]);
        }
      }
      workgroupBarrier();
    }
    for (var g = 0u; g < GROUP; g++) {
      let top = max(high[g], tree[g * INVOCATIONS]);
      let shrink = exp(high[g] - top);
      let p = select(0.0, exp(score[g] - top), sees(last, position));
      high[g] = top;
      weight[g * INVOCATIONS + invocation] = p;
      total[g] = fma(total[g], shrink, p);
      sum[g] *= shrink;
    }
    workgroupBarrier();
    for (var i = invocation / WIDTH; i < INVOCATIONS; i += PARTS) {
      let value = value_quad(min(block * INVOCATIONS + i, last), head, quad);
      for (var g = 0u; g < GROUP; g++) { sum[g] = fma(vec4f(weight[g * INVOCATIONS + i]), value, sum[g]); }
    }
    workgroupBarrier();
  }
  for (var g = 0u; g < GROUP; g++) {
    tree[invocation] = total[g];
    parts[invocation] = sum[g];
    workgroupBarrier();
    for (var half = INVOCATIONS / 2u; half > 0u; half /= 2u) {
      if (invocation < half) { tree[invocation] += tree[invocation + half]; }
      workgroupBarrier();
    }
    for (var half = PARTS / 2u; half > 0u; half /= 2u) {
      if (invocation < half * WIDTH) { parts[invocation] += parts[invocation + half * WIDTH]; }
      workgroupBarrier();
    }
    if (invocation < QUADS) { store_quad(row, (head * GROUP + g) * QUADS + invocation, parts[invocation] / tree[0]); }
    workgroupBarrier();
  }
}
