// y[row][n] = sum over k of x[row][k] * weights[n][k], or y = x W^T: M rows of the pass, N rows of the weight matrix, K
// elements in each. An invocation has four n, a workgroup TILE_N, for ROWS rows of the pass. `finished` (bias*.wgsl)
// adds a bias, `epilogue` (epilogue-*.wgsl) then does with y what the layer needs.
// An x that RMSNorm normalises comes as residual * norm weight; the factor 1 / rms is the same for all of k and is
// applied to y.
// Grid: (ceil(N / TILE_N), ceil(M / ROWS)).
// Order of summation: for 16 or 32 elements one chain of fma, those sums added along k, then (split-k.wgsl alone) over
// the invocations by a tree. ROWS does not enter into it: a row has the same bits in every pipeline.
@group(0) @binding(0) var<uniform> step: Step;

// REBIASED codes are 2^-102 times their values (f16.wgsl). With these factors neither products nor sums come near the
// smallest or the largest float.
const X_SCALE = select(1.0, 0x1p86f, REBIASED);
const Y_SCALE = select(1.0, 0x1p16f, REBIASED);

var<private> invocation: u32;
var<private> first_row: u32;

fn add_octet(part: ptr<function, array<vec4f, ROWS>>, held: ptr<function, X>, scales: Scales, unit: u32, octet: u32) {
  for (var r = 0u; r < ROWS; r++) { load_x_octet(held, r, unit, octet); }
  var words = load_octet(unit, octet);
  for (var i = 0u; i < 8u; i++) {
    let w = code(&words, scales, octet, i);
    for (var r = 0u; r < ROWS; r++) { (*part)[r] = fma(w, vec4f(x_at(held, r, octet, i)), (*part)[r]); }
  }
}

@compute @workgroup_size(INVOCATIONS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  invocation = index;
  tile = group.x;
  tile_quad = invocation % TILE_QUADS;
  first_row = group.y * ROWS;
  var sums = array<vec4f, ROWS>();
  for (var unit = first_unit(); unit < UNITS; unit += unit_stride()) {
    var held = X();
    for (var r = 0u; r < ROWS; r++) { load_x_unit(&held, r, unit); }
    let scales = load_scales(unit);
    for (var half = 0u; half < HALVES; half++) {
      var part = array<vec4f, ROWS>();
      if (!SCALED) { part = sums; }
      let octet = half * (4u / HALVES);
      // These are calls and no loop: compilers that gain from an unrolled loop don't unroll one with so long a body.
      add_octet(&part, &held, scales, unit, octet);
      add_octet(&part, &held, scales, unit, octet + 1u);
      if (HALVES == 1u) {
        add_octet(&part, &held, scales, unit, octet + 2u);
        add_octet(&part, &held, scales, unit, octet + 3u);
      }
      if (SCALED) {
        for (var r = 0u; r < ROWS; r++) {
          sums[r] = fma(scale(scales, half), part[r], sums[r]);
          if (MINIMUMS) { sums[r] = fma(minimum(scales, half), vec4f(x_sum(&held, r, half)), sums[r]); }
        }
      } else { sums = part; }
    }
  }
  for (var r = 0u; r < ROWS; r++) {
    let quad = tile * TILE_QUADS + tile_quad;
    epilogue(first_row + r, quad, finished(quad, sum_over_k(sums[r]) * Y_SCALE, input_scale(first_row + r)));
  }
}
