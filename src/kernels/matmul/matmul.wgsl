// y[column][row] = sum over k of weights[row][k] * x[column][k], four rows an invocation, COLUMNS columns (rows of the sequence)
// a workgroup; then `epilogue` (epilogue-*.wgsl) does with it what the layer needs.
// An x that RMSNorm normalises comes as residual * norm weight; the factor 1 / rms is the same for all of k and is applied to y.
// Grid: (rows / (4 * ROW_LANES), ceil(columns / COLUMNS)). Order of summation: per 16 or 32 elements one chain of fma, those added
// along k, then (split k alone) over the lanes by a tree. COLUMNS does not enter into it: a column has the same bits in every variant.
@group(0) @binding(0) var<uniform> step: Step;

// For codes of 2^-102 times what they stand for (f16.wgsl): neither products nor sums come near the smallest or the largest float.
const X_SCALE = select(1.0, 0x1p86f, REBIASED);
const Y_SCALE = select(1.0, 0x1p16f, REBIASED);

var<private> lane: u32;
var<private> first_column: u32;

fn add_octet(part: ptr<function, array<vec4f, COLUMNS>>, held: ptr<function, X>, scales: Scales, unit: u32, octet: u32) {
  for (var c = 0u; c < COLUMNS; c++) { load_x_octet(held, c, unit, octet); }
  var words = load_octet(unit, octet);
  for (var i = 0u; i < 8u; i++) {
    let w = code(&words, scales, octet, i);
    for (var c = 0u; c < COLUMNS; c++) { (*part)[c] = fma(w, vec4f(x_at(held, c, octet, i)), (*part)[c]); }
  }
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  lane = index;
  tile = group.x;
  tile_lane = lane % ROW_LANES;
  first_column = group.y * COLUMNS;
  var sums = array<vec4f, COLUMNS>();
  for (var unit = first_unit(); unit < UNITS; unit += unit_stride()) {
    var held = X();
    for (var c = 0u; c < COLUMNS; c++) { load_x_unit(&held, c, unit); }
    let scales = load_scales(unit);
    for (var half = 0u; half < HALVES; half++) {
      var part = array<vec4f, COLUMNS>();
      if (!SCALED) { part = sums; }
      let octet = half * (4u / HALVES);
      // Calls, since the compilers that gain from an unrolled loop don't unroll one with so long a body.
      add_octet(&part, &held, scales, unit, octet);
      add_octet(&part, &held, scales, unit, octet + 1u);
      if (HALVES == 1u) {
        add_octet(&part, &held, scales, unit, octet + 2u);
        add_octet(&part, &held, scales, unit, octet + 3u);
      }
      if (SCALED) {
        for (var c = 0u; c < COLUMNS; c++) {
          sums[c] = fma(scale(scales, half), part[c], sums[c]);
          if (MINIMUMS) { sums[c] = fma(minimum(scales), vec4f(x_sum(&held, c)), sums[c]); }
        }
      } else { sums = part; }
    }
  }
  for (var c = 0u; c < COLUMNS; c++) {
    let y = sum_over_k(sums[c]) * Y_SCALE * input_scale(first_column + c);
    epilogue(first_column + c, tile * ROW_LANES + tile_lane, y);
  }
}
