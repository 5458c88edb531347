// The embedding of each row's token, decoded from the quantised matrix, as the start of the residual stream (see epilogue-residual.wgsl).
// Grid: (ceil(HIDDEN / 32 / 64), rows); an invocation decodes a unit of 32 elements. The matrix may hold only rows ROW_OFFSET and on.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(2) var<storage, read> tokens: array<u32>;
@group(0) @binding(3) var<storage, read> norm_weight: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> residual: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> squares: array<f32>;

fn quant_index(unit: u32, word: u32) -> u32 {
  if (ROW_LANES == 1u) { return (tile * UNIT_WORDS + word) * UNITS + unit; }
  return row_lanes_index(unit, word);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let unit = id.x;
  let column = id.y;
  let row = tokens[column] - ROW_OFFSET;
  if (unit >= UNITS || tokens[column] < ROW_OFFSET || row >= ROWS) { return; }
  tile = row / (4u * ROW_LANES);
  tile_lane = row / 4u % ROW_LANES;
  let scales = load_scales(unit);
  var square = 0.0;
  for (var quad = 0u; quad < 8u; quad++) {
    let octet = quad / 2u;
    var words = load_octet(unit, octet);
    var v = vec4f();
    for (var i = 0u; i < 4u; i++) {
      let q = code(&words, scales, octet, quad % 2u * 4u + i);
      v[i] = fma(scale(scales, octet / (4u / HALVES))[row % 4u], q[row % 4u], minimum(scales)[row % 4u]);
    }
    let at = column * (HIDDEN / 4u) + unit * 8u + quad;
    residual[at] = v;
    store_quad(column, unit * 8u + quad, v * norm_weight[unit * 8u + quad]);
    square += fma(v.x, v.x, fma(v.y, v.y, fma(v.z, v.z, v.w * v.w)));
    if ((quad + 1u) % ROW_LANES == 0u) {
      squares[column * (HIDDEN / (4u * ROW_LANES)) + (unit * 8u + quad) / ROW_LANES] = square;
      square = 0.0;
    }
  }
}
