// Split N: each of INVOCATIONS invocations owns four weight rows and walks along k. Activations sit in the invocations'
// registers, a slice in each, and are broadcast. For devices whose invocations share one instruction stream and whose
// loads are dear (software adapters).
// A workgroup fits in one subgroup (INVOCATIONS is at most the smallest subgroup size), so the width that the driver
// chose doesn't matter.
// Assumes: INVOCATIONS is 4 or 8, and TILE_N is four times that.
// SwiftShader gets the text with its loops written out (unrolled-text.ts), weights in buffers, codes in place and at
// most two rows of the pass (kernel-variant.ts): a step of the embedded verify model takes 154 ms of CPU time
// (2026-11-28).
// All products of the embedded verify model over 1 / 2 / 4 rows: 15.1 / 20.5 / 30.2 ms, without loads
// 9.8 / 13.2 / 20.3 (lavapipe, Mesa 25.0.7, LLVM 15, one thread of an EPYC, 2026-11-25, lab/kernels/time.ts; what lost:
// lab/kernels).
const HELD = 8u / INVOCATIONS;  // quads of a unit of x that an invocation holds for each row; a unit has eight

alias X = array<vec4f, ROWS * HELD>;

// Whether this invocation writes what `epilogue` is given.
fn owner() -> bool { return true; }

fn quant_index(unit: u32, word: u32) -> u32 { return interleaved_index(unit, word); }

fn first_unit() -> u32 { return 0u; }
fn unit_stride() -> u32 { return 1u; }

fn load_x_unit(held: ptr<function, X>, row: u32, unit: u32) {
  for (var h = 0u; h < HELD; h++) {
    (*held)[row * HELD + h] = load_x(first_row + row, unit * 8u + invocation * HELD + h) * X_SCALE;
  }
}
fn load_x_octet(held: ptr<function, X>, row: u32, unit: u32, octet: u32) {}

// Element octet * 8 + i of the unit. Only the invocation that it comes from depends on `octet`, whose loop is too long
// for some compilers to unroll.
fn x_at(held: ptr<function, X>, row: u32, octet: u32, i: u32) -> f32 {
  let value = (*held)[row * HELD + i / 4u % HELD][i % 4u];
  return subgroupShuffle(value, (octet * 2u + i / 4u) / HELD);
}

// The sum of the elements that minimum(half) is for, the unit's or its half's. In one order for 4 and for 8
// invocations.
fn x_sum(held: ptr<function, X>, row: u32, half: u32) -> f32 {
  var total = 0.0;
  if (HELD == 1u) {
    let v = (*held)[row];
    total = (v.x + v.y) + (v.z + v.w);
    total += subgroupShuffleXor(total, 1u);
  } else {
    let a = (*held)[row * HELD];
    let b = (*held)[row * HELD + HELD - 1u];
    total = ((a.x + a.y) + (a.z + a.w)) + ((b.x + b.y) + (b.z + b.w));
  }
  total += subgroupShuffleXor(total, INVOCATIONS / 4u);
  if (HALVES == 2u) { return subgroupShuffle(total, half * (INVOCATIONS / 2u)); }
  return total + subgroupShuffleXor(total, INVOCATIONS / 2u);
}

// The sum over the workgroup's invocations, in their order; each of them gets it.
fn sum_over_workgroup(value: vec4f) -> vec4f {
  var total = vec4f();
  for (var i = 0u; i < INVOCATIONS; i++) { total += subgroupShuffle(value, i); }
  return total;
}

// An invocation has walked the whole of k for its four weight rows.
fn sum_over_k(value: vec4f) -> vec4f { return value; }

// Over all weight rows of the tile.
fn sum_over_tile(value: f32) -> f32 { return sum_over_workgroup(vec4f(value)).x; }
fn best_over_tile(value: ScoredToken) -> ScoredToken {
  var best = value;
  for (var i = 0u; i < INVOCATIONS; i++) {
    best = better(best, ScoredToken(subgroupShuffle(value.score, i), subgroupShuffle(value.token, i)));
  }
  return best;
}
