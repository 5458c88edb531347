// Split K: the workgroup owns four weight rows; each of its INVOCATIONS invocations takes every INVOCATIONS-th unit of
// k, and their sums are added by a fixed tree in workgroup memory. No subgroups, so nothing depends on their size. For
// GPUs, and for any adapter without subgroups.
// Assumes: INVOCATIONS is a power of two, and TILE_N is 4.
// Not timed on a GPU yet; on software adapters given up after 100 s (2026-11-25).
struct X {
  quads: array<vec4f, ROWS * 2u>,  // an octet of x for each row
  sums: array<f32, ROWS>,  // over the octets so far of the unit, or of its half
}

var<workgroup> tree: array<vec4f, INVOCATIONS>;

// Whether this invocation writes what `epilogue` is given.
fn owner() -> bool { return invocation == 0u; }

fn quant_index(unit: u32, word: u32) -> u32 {
  return (tile * UNIT_WORDS + word) * UNITS + unit;
}

fn first_unit() -> u32 { return invocation; }
fn unit_stride() -> u32 { return INVOCATIONS; }

fn load_x_unit(held: ptr<function, X>, row: u32, unit: u32) { (*held).sums[row] = 0.0; }
fn load_x_octet(held: ptr<function, X>, row: u32, unit: u32, octet: u32) {
  if (HALVES == 2u && octet == 2u) { (*held).sums[row] = 0.0; }
  for (var i = 0u; i < 2u; i++) {
    let v = load_x(first_row + row, unit * 8u + octet * 2u + i);
    (*held).quads[row * 2u + i] = v;
    (*held).sums[row] += (v.x + v.y) + (v.z + v.w);
  }
}

// Element octet * 8 + i of the unit.
fn x_at(held: ptr<function, X>, row: u32, octet: u32, i: u32) -> f32 {
  return (*held).quads[row * 2u + i / 4u][i % 4u];
}

fn x_sum(held: ptr<function, X>, row: u32, half: u32) -> f32 { return (*held).sums[row]; }

// The sum over the workgroup's invocations by a fixed tree; each of them gets it.
fn sum_over_workgroup(value: vec4f) -> vec4f {
  tree[invocation] = value;
  workgroupBarrier();
  for (var half = INVOCATIONS / 2u; half > 0u; half /= 2u) {
    if (invocation < half) { tree[invocation] += tree[invocation + half]; }
    workgroupBarrier();
  }
  let total = tree[0];
  workgroupBarrier();
  return total;
}
fn sum_over_k(value: vec4f) -> vec4f { return sum_over_workgroup(value); }

// The tile has one quad of weight rows, which `value` is of.
fn sum_over_tile(value: f32) -> f32 { return value; }
fn best_over_tile(value: ScoredToken) -> ScoredToken { return value; }
