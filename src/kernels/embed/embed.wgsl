// The embedding of each row's token, decoded from the quantised matrix, as the start of the residual stream (see
// epilogue-residual.wgsl), and the token itself in its slot, for what depends on the text.
// N of the matrix is the vocabulary, K is HIDDEN; it may hold only N rows from N_OFFSET on.
// Grid: (ceil(HIDDEN / 32 / 64), M); an invocation decodes a unit of 32 elements.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(2) var<storage, read> tokens: array<u32>;  // [M]
@group(0) @binding(3) var<storage, read> norm_weight: array<vec4f>;  // [HIDDEN / 4]
@group(0) @binding(5) var<storage, read_write> residual: array<vec4f>;  // [M][HIDDEN / 4]
@group(0) @binding(6) var<storage, read_write> squares: array<f32>;  // [M][HIDDEN / TILE_N]
@group(0) @binding(7) var<storage, read_write> history: array<u32>;  // the token of each slot of the KV cache

fn quant_index(unit: u32, word: u32) -> u32 {
  if (TILE_QUADS == 1u) { return (tile * UNIT_WORDS + word) * UNITS + unit; }
  return interleaved_index(unit, word);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let unit = id.x;
  let row = id.y;
  let n = tokens[row] - N_OFFSET;
  if (unit >= UNITS || tokens[row] < N_OFFSET || n >= N) { return; }
  if (unit == 0u) { history[slot(step.position + row)] = tokens[row]; }
  tile = n / TILE_N;
  tile_quad = n / 4u % TILE_QUADS;
  let scales = load_scales(unit);
  var square = 0.0;
  for (var quad = 0u; quad < 8u; quad++) {
    let octet = quad / 2u;
    var words = load_octet(unit, octet);
    var v = vec4f();
    for (var i = 0u; i < 4u; i++) {
      let q = code(&words, scales, octet, quad % 2u * 4u + i);
      let half = octet / (4u / HALVES);
      v[i] = fma(scale(scales, half)[n % 4u], q[n % 4u], minimum(scales, half)[n % 4u]);
    }
    let at = row * (HIDDEN / 4u) + unit * 8u + quad;
    residual[at] = v;
    store_quad(row, unit * 8u + quad, v * norm_weight[unit * 8u + quad]);
    square += fma(v.x, v.x, fma(v.y, v.y, fma(v.z, v.z, v.w * v.w)));
    if ((quad + 1u) % TILE_QUADS == 0u) {
      squares[row * (HIDDEN / TILE_N) + (unit * 8u + quad) / TILE_QUADS] = square;
      square = 0.0;
    }
  }
}
