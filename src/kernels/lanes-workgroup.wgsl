// Split k: the workgroup owns four weight rows; its LANES invocations take every LANES-th unit of k and add up by a fixed tree in
// workgroup memory. No subgroups, so nothing depends on their size. For GPUs, and for any adapter without subgroups.
// Assumes: LANES is a power of two.
// Not timed on a GPU yet; on software adapters given up after 100 s (2026-11-25).
const ROW_LANES = 1u;

struct X {
  quads: array<vec4f, COLUMNS * 2u>,  // an octet of x, a column
  sums: array<f32, COLUMNS>,  // over the unit's octets so far
}

var<workgroup> tree: array<vec4f, LANES>;

// Whether this invocation writes what `epilogue` is given.
fn owner() -> bool { return lane == 0u; }

fn quant_index(unit: u32, word: u32) -> u32 {
  return (tile * UNIT_WORDS + word) * UNITS + unit;
}

fn first_unit() -> u32 { return lane; }
fn unit_stride() -> u32 { return LANES; }

fn load_x_unit(held: ptr<function, X>, column: u32, unit: u32) { (*held).sums[column] = 0.0; }
fn load_x_octet(held: ptr<function, X>, column: u32, unit: u32, octet: u32) {
  for (var i = 0u; i < 2u; i++) {
    let v = load_x(first_column + column, unit * 8u + octet * 2u + i);
    (*held).quads[column * 2u + i] = v;
    (*held).sums[column] += (v.x + v.y) + (v.z + v.w);
  }
}

// Element octet * 8 + i of the unit.
fn x_at(held: ptr<function, X>, column: u32, octet: u32, i: u32) -> f32 {
  return (*held).quads[column * 2u + i / 4u][i % 4u];
}

fn x_sum(held: ptr<function, X>, column: u32) -> f32 { return (*held).sums[column]; }

// The sum over the workgroup's lanes by a fixed tree; every lane gets it.
fn sum_over_lanes(value: vec4f) -> vec4f {
  tree[lane] = value;
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    if (lane < half) { tree[lane] += tree[lane + half]; }
    workgroupBarrier();
  }
  let total = tree[0];
  workgroupBarrier();
  return total;
}
fn sum_over_k(value: vec4f) -> vec4f { return sum_over_lanes(value); }

// The four rows are all that the workgroup owns.
fn sum_over_rows(value: f32) -> f32 { return value; }
fn best_over_rows(value: Best) -> Best { return value; }
