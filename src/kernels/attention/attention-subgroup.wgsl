// Attention of ROWS rows, each over the positions that it sees (mask-*.wgsl), for the GROUP query heads that share a KV
// head (GQA, arXiv 2305.13245); online softmax over blocks of POSITIONS * INVOCATIONS positions (FlashAttention, arXiv
// 2205.14135). An invocation takes the keys of POSITIONS consecutive positions, and of the values HELD quads.
// Grid: (KV_HEADS, ceil(M / ROWS)). Blocks stand at absolute positions, so the order of summation does not depend on
// the rows beside a row; positions that it doesn't see weigh nothing, and a block of none but them changes no bit.
// Assumes: a workgroup fits in one subgroup, HEAD_SIZE is a multiple of 8.
// All layers of the embedded verify model at context 256 over 1 / 2 / 4 / 8 rows: 1.20 / 1.56 / 3.10 / 6.13 ms
// (lavapipe, Mesa 25.0.7, LLVM 15, one thread of an EPYC, 2026-11-25, lab/kernels/time.ts; what lost: lab/kernels).
// SwiftShader keeps an array in memory if one index isn't a constant in the text. So no loop over queries has a
// `break`, with which it couldn't be written out (unrolled-text.ts).
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> queries: array<vec4f>;  // [M][KV_HEADS][GROUP][HEAD_SIZE / 4], scaled

const OCTETS = HEAD_SIZE / 8u;
// Quads of a head that an invocation holds, whole octets. Those of all invocations can be more than a head has: of the
// queries, an invocation then holds some that nobody asks for, and of the values, some that another one stores.
const HELD = (OCTETS + INVOCATIONS - 1u) / INVOCATIONS * 2u;
const QUERIES = GROUP * ROWS;  // row by row
// A shuffle of q serves all POSITIONS of an invocation, and their loads wait for memory together.
const BLOCK = INVOCATIONS * POSITIONS;
const LOWEST = -3.4028234e38;

// The first octet of the head at the position, or at `last` where that comes first.
fn place(position: u32, last: u32, head: u32) -> u32 { return (slot(min(position, last)) * KV_HEADS + head) * OCTETS; }

@compute @workgroup_size(INVOCATIONS)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) invocation: u32) {
  let head = id.x;
  let first_row = id.y * ROWS;
  let first_last = step.position + first_row;
  let last = first_last + ROWS - 1u;
  let held_octet = min(invocation * (HELD / 2u), OCTETS - HELD / 2u);
  var q = array<vec4f, QUERIES * HELD>();
  var sum = array<vec4f, QUERIES * HELD>();
  var high = array<f32, QUERIES>();
  var total = array<f32, QUERIES>();
  for (var g = 0u; g < QUERIES; g++) {
    high[g] = LOWEST;
    let at = (((first_row + g / GROUP) * KV_HEADS + head) * GROUP + g % GROUP) * (HEAD_SIZE / 4u);
    for (var v = 0u; v < HELD; v++) { q[g * HELD + v] = queries[at + invocation * HELD + v]; }
  }
  for (var base = first_seen(first_last) / BLOCK * BLOCK; base <= last; base += BLOCK) {
    let first = base + invocation * POSITIONS;
    var places = array<u32, POSITIONS>();
    for (var p = 0u; p < POSITIONS; p++) { places[p] = place(first + p, last, head); }
    var score = array<f32, QUERIES * POSITIONS>();
    for (var o = 0u; o < OCTETS; o++) {
      var k = array<array<vec4f, 2>, POSITIONS>();
      for (var p = 0u; p < POSITIONS; p++) { k[p] = key_octet(places[p] + o); }
      for (var i = 0u; i < 8u; i++) {
        let quad = o * 2u + i / 4u;
        for (var g = 0u; g < QUERIES; g++) {
          let x = subgroupShuffle(q[g * HELD + quad % HELD][i % 4u], quad / HELD);
          for (var p = 0u; p < POSITIONS; p++) {
            let s = g * POSITIONS + p;
            score[s] = fma(x, k[p][i / 4u][i % 4u], score[s]);
          }
        }
      }
    }
    for (var g = 0u; g < QUERIES; g++) {
      var top = high[g];
      for (var p = 0u; p < POSITIONS; p++) {
        top = max(top, select(LOWEST, score[g * POSITIONS + p], sees(first_last + g / GROUP, first + p)));
      }
      for (var half = 1u; half < INVOCATIONS; half *= 2u) { top = max(top, subgroupShuffleXor(top, half)); }
      let shrink = exp(high[g] - top);
      high[g] = top;
      total[g] *= shrink;
      for (var p = 0u; p < POSITIONS; p++) {
        let s = g * POSITIONS + p;
        score[s] = select(0.0, exp(score[s] - top), sees(first_last + g / GROUP, first + p));
        total[g] += score[s];
      }
      for (var v = 0u; v < HELD; v++) { sum[g * HELD + v] *= shrink; }
    }
    for (var i = 0u; i < INVOCATIONS && base + i * POSITIONS <= last; i++) {
      for (var p = 0u; p < POSITIONS; p++) {
        let origin = place(base + i * POSITIONS + p, last, head) + held_octet;
        for (var o = 0u; o < HELD / 2u; o++) {
          let value = value_octet(origin + o);
          for (var g = 0u; g < QUERIES; g++) {
            let w = vec4f(subgroupShuffle(score[g * POSITIONS + p], i));
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
      for (var i = 0u; i < INVOCATIONS; i++) { all += subgroupShuffle(total[g], i); }
      let at = (head * GROUP + g % GROUP) * (HEAD_SIZE / 4u);
      for (var v = 0u; v < HELD; v++) {
        let quad = held_octet * 2u + v;
        if (quad >= invocation * HELD) { store_quad(row, at + quad, sum[g * HELD + v] / all); }
      }
    }
  }
}
