// Attention of ROWS rows, each over positions 0 .. its own, for the GROUP query heads that share a key-value head; online softmax over blocks
// of PARTS * LANES positions (FlashAttention, arXiv 2205.14135). For keys a lane is PARTS positions in a row, for values HEAD_SIZE / LANES
// dimensions. Grid: (key-value heads, rows / ROWS). Blocks stand at absolute positions, so the order does not depend on the rows beside it; what lies
// behind a row's own position weighs nothing.
// A workgroup fits in one subgroup.
// All layers of the embedded verify model at context 256 over 1 / 2 / 4 / 8 rows: 1.20 / 1.56 / 3.10 / 6.13 ms (lavapipe, Mesa 25.0.7, LLVM 15, one thread of an EPYC,
// 2026-11-25, lab/kernels/time.ts; what lost: lab/kernels).
// SwiftShader keeps an array in memory if one index isn't a constant in the text: so no loop over queries has a `break`,
// with which it couldn't be written out (unrolled-text.ts).
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> queries: array<vec4f>;  // [row][KV_HEADS][GROUP][HEAD_SIZE / 4], scaled

const HELD = HEAD_SIZE / 4u / LANES;  // vec4s a lane holds of a head
const OCTETS = HEAD_SIZE / 8u;
const QUERIES = GROUP * ROWS;  // row by row
// PARTS: a shuffle of q serves all of them, and their loads wait for memory together.
const BLOCK = LANES * PARTS;
const LOWEST = -3.4028234e38;

fn place(position: u32, last: u32, head: u32) -> u32 { return (slot(min(position, last)) * KV_HEADS + head) * OCTETS; }

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let head = id.x;
  let first_row = id.y * ROWS;
  let first_last = step.position + first_row;
  let last = first_last + ROWS - 1u;
  var q = array<vec4f, QUERIES * HELD>();
  var sum = array<vec4f, QUERIES * HELD>();
  var high = array<f32, QUERIES>();
  var total = array<f32, QUERIES>();
  for (var g = 0u; g < QUERIES; g++) {
    high[g] = LOWEST;
    let at = (((first_row + g / GROUP) * KV_HEADS + head) * GROUP + g % GROUP) * (HEAD_SIZE / 4u);
    for (var v = 0u; v < HELD; v++) { q[g * HELD + v] = queries[at + lane * HELD + v]; }
  }
  for (var base = 0u; base <= last; base += BLOCK) {
    let first = base + lane * PARTS;
    var places = array<u32, PARTS>();
    for (var p = 0u; p < PARTS; p++) { places[p] = place(first + p, last, head); }
    var score = array<f32, QUERIES * PARTS>();
    for (var o = 0u; o < OCTETS; o++) {
      var k = array<array<vec4f, 2>, PARTS>();
      for (var p = 0u; p < PARTS; p++) { k[p] = key_octet(places[p] + o); }
      for (var i = 0u; i < 8u; i++) {
        let quad = o * 2u + i / 4u;
        for (var g = 0u; g < QUERIES; g++) {
          let x = subgroupShuffle(q[g * HELD + quad % HELD][i % 4u], quad / HELD);
          for (var p = 0u; p < PARTS; p++) {
            score[g * PARTS + p] = fma(x, k[p][i / 4u][i % 4u], score[g * PARTS + p]);
          }
        }
      }
    }
    for (var g = 0u; g < QUERIES; g++) {
      var top = high[g];
      for (var p = 0u; p < PARTS; p++) { top = max(top, select(LOWEST, score[g * PARTS + p], first + p <= first_last + g / GROUP)); }
      for (var half = 1u; half < LANES; half *= 2u) { top = max(top, subgroupShuffleXor(top, half)); }
      let shrink = exp(high[g] - top);
      high[g] = top;
      total[g] *= shrink;
      for (var p = 0u; p < PARTS; p++) {
        score[g * PARTS + p] = select(0.0, exp(score[g * PARTS + p] - top), first + p <= first_last + g / GROUP);
        total[g] += score[g * PARTS + p];
      }
      for (var v = 0u; v < HELD; v++) { sum[g * HELD + v] *= shrink; }
    }
    for (var i = 0u; i < LANES && base + i * PARTS <= last; i++) {
      for (var p = 0u; p < PARTS; p++) {
        let origin = place(base + i * PARTS + p, last, head) + lane * (HELD / 2u);
        for (var o = 0u; o < HELD / 2u; o++) {
          let value = value_octet(origin + o);
          for (var g = 0u; g < QUERIES; g++) {
            let w = vec4f(subgroupShuffle(score[g * PARTS + p], i));
            sum[g * HELD + o * 2u] = fma(w, value[0], sum[g * HELD + o * 2u]);
            sum[g * HELD + o * 2u + 1u] = fma(w, value[1], sum[g * HELD + o * 2u + 1u]);
          }
        }
      }
    }
  }
  for (var g = 0u; g < QUERIES; g++) {
    let row = first_row + g / GROUP;
    if (row < step.rows) {
      var all = 0.0;
      for (var i = 0u; i < LANES; i++) { all += subgroupShuffle(total[g], i); }
      for (var v = 0u; v < HELD; v++) {
        store_quad(row, (head * GROUP + g % GROUP) * (HEAD_SIZE / 4u) + lane * HELD + v, sum[g * HELD + v] / all);
      }
    }
  }
}
