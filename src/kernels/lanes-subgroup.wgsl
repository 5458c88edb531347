// Row lanes: each of LANES invocations owns four weight rows and walks along k; activations sit in the lanes' registers, a slice
// each, and are broadcast. For devices whose vector lanes share one instruction stream and whose loads are dear (software adapters).
// A workgroup fits in one subgroup (LANES is at most the smallest subgroup size), so the width that the driver chose doesn't matter.
// Assumes: LANES of 4 or 8.
// SwiftShader gets the text with its loops written out (unrolled-text.ts), weights in buffers, codes in place and at most
// two columns (lanes.ts): a step of the embedded verify model takes 154 ms of CPU time (2026-11-28).
// All products of the embedded verify model over 1 / 2 / 4 rows: 15.1 / 20.5 / 30.2 ms, without loads 9.8 / 13.2 / 20.3 (lavapipe, Mesa 25.0.7, LLVM 15, one thread of an
// EPYC, 2026-11-25, lab/kernels/time.ts; what lost: lab/kernels).
const ROW_LANES = LANES;
const HELD = 8u / LANES;  // of the eight quads of a unit of x, those that a lane holds, a column

alias X = array<vec4f, COLUMNS * HELD>;

// Whether this invocation writes what `epilogue` is given.
fn owner() -> bool { return true; }

fn quant_index(unit: u32, word: u32) -> u32 { return row_lanes_index(unit, word); }

fn first_unit() -> u32 { return 0u; }
fn unit_stride() -> u32 { return 1u; }

fn load_x_unit(held: ptr<function, X>, column: u32, unit: u32) {
  for (var h = 0u; h < HELD; h++) {
    (*held)[column * HELD + h] = load_x(first_column + column, unit * 8u + lane * HELD + h) * X_SCALE;
  }
}
fn load_x_octet(held: ptr<function, X>, column: u32, unit: u32, octet: u32) {}

// Element octet * 8 + i of the unit. Only the lane depends on `octet`, whose loop is too long for some compilers to unroll.
fn x_at(held: ptr<function, X>, column: u32, octet: u32, i: u32) -> f32 {
  let value = (*held)[column * HELD + i / 4u % HELD][i % 4u];
  return subgroupShuffle(value, (octet * 2u + i / 4u) / HELD);
}

// The sum of the unit's elements, in one order for every width.
fn x_sum(held: ptr<function, X>, column: u32) -> f32 {
  var total = 0.0;
  if (HELD == 1u) {
    let v = (*held)[column];
    total = (v.x + v.y) + (v.z + v.w);
    total += subgroupShuffleXor(total, 1u);
  } else {
    let a = (*held)[column * HELD];
    let b = (*held)[column * HELD + HELD - 1u];
    total = ((a.x + a.y) + (a.z + a.w)) + ((b.x + b.y) + (b.z + b.w));
  }
  total += subgroupShuffleXor(total, LANES / 4u);
  return total + subgroupShuffleXor(total, LANES / 2u);
}

// The sum over the workgroup's lanes, in lane order; every lane gets it.
fn sum_over_lanes(value: vec4f) -> vec4f {
  var total = vec4f();
  for (var i = 0u; i < LANES; i++) { total += subgroupShuffle(value, i); }
  return total;
}

// A lane has walked the whole of k for its four rows.
fn sum_over_k(value: vec4f) -> vec4f { return value; }

// Over all rows of the workgroup.
fn sum_over_rows(value: f32) -> f32 { return sum_over_lanes(vec4f(value)).x; }
fn best_over_rows(value: Best) -> Best {
  var best = value;
  for (var i = 0u; i < LANES; i++) {
    best = better(best, Best(subgroupShuffle(value.score, i), subgroupShuffle(value.token, i)));
  }
  return best;
}
