// Attention of one row over positions 0 .. its own, for the GROUP query heads that share a key-value head; online softmax over blocks
// of LANES positions (FlashAttention, arXiv 2205.14135). For keys a lane is a position, for values a lane is HEAD_SIZE / LANES dimensions.
// Grid: (key-value heads, rows). Blocks stand at absolute positions, so the order does not depend on the rows beside it.
// A workgroup fits in one subgroup.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> queries: array<vec4f>;  // [row][KV_HEADS][GROUP][HEAD_SIZE / 4], scaled

const HELD = HEAD_SIZE / 4u / LANES;  // vec4s a lane holds of a head
const OCTETS = HEAD_SIZE / 8u;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let head = id.x;
  let row = id.y;
  let last = step.position + row;
  let at = (row * KV_HEADS + head) * GROUP * (HEAD_SIZE / 4u);
  var q = array<vec4f, GROUP * HELD>();
  var sum = array<vec4f, GROUP * HELD>();
  var high = array<f32, GROUP>();
  var total = array<f32, GROUP>();
  for (var g = 0u; g < GROUP; g++) {
    high[g] = -3.4028234e38;
    for (var v = 0u; v < HELD; v++) { q[g * HELD + v] = queries[at + g * (HEAD_SIZE / 4u) + lane * HELD + v]; }
  }
  for (var block = 0u; block <= last / LANES; block++) {
    let position = block * LANES + lane;
    var score = array<f32, GROUP>();
    for (var o = 0u; o < OCTETS; o++) {
      let k = key_octet((slot(min(position, last)) * KV_HEADS + head) * OCTETS + o);
      for (var i = 0u; i < 8u; i++) {
        let quad = o * 2u + i / 4u;
        for (var g = 0u; g < GROUP; g++) {
          score[g] = fma(subgroupShuffle(q[g * HELD + quad % HELD][i % 4u], quad / HELD), k[i / 4u][i % 4u], score[g]);
        }
      }
    }
    for (var g = 0u; g < GROUP; g++) {
      let s = select(-3.4028234e38, score[g], position <= last);
      var top = high[g];
      for (var i = 0u; i < LANES; i++) { top = max(top, subgroupShuffle(s, i)); }
      let shrink = exp(high[g] - top);
      high[g] = top;
      score[g] = select(0.0, exp(s - top), position <= last);
      total[g] = fma(total[g], shrink, score[g]);
      for (var v = 0u; v < HELD; v++) { sum[g * HELD + v] *= shrink; }
    }
    for (var i = 0u; i < LANES; i++) {
      let first = (slot(min(block * LANES + i, last)) * KV_HEADS + head) * OCTETS + lane * (HELD / 2u);
      for (var o = 0u; o < HELD / 2u; o++) {
        let value = value_octet(first + o);
        for (var g = 0u; g < GROUP; g++) {
          let p = vec4f(subgroupShuffle(score[g], i));
          sum[g * HELD + o * 2u] = fma(p, value[0], sum[g * HELD + o * 2u]);
          sum[g * HELD + o * 2u + 1u] = fma(p, value[1], sum[g * HELD + o * 2u + 1u]);
        }
      }
    }
  }
  for (var g = 0u; g < GROUP; g++) {
    var all = 0.0;
    for (var i = 0u; i < LANES; i++) { all += subgroupShuffle(total[g], i); }
    for (var v = 0u; v < HELD; v++) {
      store_quad(row, (head * GROUP + g) * (HEAD_SIZE / 4u) + lane * HELD + v, sum[g * HELD + v] / all);
    }
  }
}
