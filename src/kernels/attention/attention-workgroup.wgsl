// As attention-subgroup.wgsl, without subgroups: blocks of LANES positions, maxima and sums by fixed trees in workgroup memory. For values an
// invocation takes four dimensions and every PARTS-th position.
// Assumes: LANES is a power of two and a multiple of HEAD_SIZE / 4.
// Not timed on a GPU yet; on software adapters given up after 100 s (2026-11-25).
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> queries: array<vec4f>;  // [row][KV_HEADS][GROUP][HEAD_SIZE / 4], scaled

const LANES = 64u;
const QUADS = HEAD_SIZE / 4u;
const PARTS = LANES / QUADS;
var<workgroup> q: array<vec4f, GROUP * QUADS>;
var<workgroup> weight: array<f32, GROUP * LANES>;
var<workgroup> tree: array<f32, GROUP * LANES>;
var<workgroup> parts: array<vec4f, LANES>;

fn value_quad(position: u32, head: u32, quad: u32) -> vec4f {
  return value_octet((slot(position) * KV_HEADS + head) * (QUADS / 2u) + quad / 2u)[quad % 2u];
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let head = id.x;
  let row = id.y;
  let last = step.position + row;
  let at = (row * KV_HEADS + head) * GROUP * QUADS;
  let quad = lane % QUADS;
  for (var i = lane; i < GROUP * QUADS; i += LANES) { q[i] = queries[at + i]; }
  workgroupBarrier();
  var sum = array<vec4f, GROUP>();
  var high = array<f32, GROUP>();
  var total = array<f32, GROUP>();
  for (var g = 0u; g < GROUP; g++) { high[g] = -3.4028234e38; }
  for (var block = 0u; block <= last / LANES; block++) {
    let position = block * LANES + lane;
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
      tree[g * LANES + lane] = select(-3.4028234e38, score[g], position <= last);
    }
    workgroupBarrier();
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
      if (lane < half) {
        for (var g = 0u; g < GROUP; g++) {
          tree[g * LANES + lane] = max(tree[g * LANES + lane], tree[g * LANES + lane + half]);
        }
      }
      workgroupBarrier();
    }
    for (var g = 0u; g < GROUP; g++) {
      let top = max(high[g], tree[g * LANES]);
      let shrink = exp(high[g] - top);
      let p = select(0.0, exp(score[g] - top), position <= last);
      high[g] = top;
      weight[g * LANES + lane] = p;
      total[g] = fma(total[g], shrink, p);
      sum[g] *= shrink;
    }
    workgroupBarrier();
    for (var i = lane / QUADS; i < LANES; i += PARTS) {
      let value = value_quad(min(block * LANES + i, last), head, quad);
      for (var g = 0u; g < GROUP; g++) { sum[g] = fma(vec4f(weight[g * LANES + i]), value, sum[g]); }
    }
    workgroupBarrier();
  }
  for (var g = 0u; g < GROUP; g++) {
    tree[lane] = total[g];
    parts[lane] = sum[g];
    workgroupBarrier();
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
      if (lane < half) { tree[lane] += tree[lane + half]; }
      workgroupBarrier();
    }
    for (var half = PARTS / 2u; half > 0u; half /= 2u) {
      if (lane < half * QUADS) { parts[lane] += parts[lane + half * QUADS]; }
      workgroupBarrier();
    }
    if (lane < QUADS) { store_quad(row, (head * GROUP + g) * QUADS + lane, parts[lane] / tree[0]); }
    workgroupBarrier();
  }
}
