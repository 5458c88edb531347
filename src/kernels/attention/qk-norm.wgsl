// RMSNorm of each head of Q and K (arXiv 1910.07467, 2302.05442), then what epilogue-qkv.wgsl does where there is no
// such norm: RoPE, the scale of Q, and K into the KV cache.
// Grid: (heads + KV heads, M).
// Order of summation: each invocation adds up the whole head, quad by quad, so there is no sum over invocations.
// Assumes: INVOCATIONS is even, and fits in one subgroup where the cache lies in textures.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> projected: array<vec4f>;  // [M][(Q_N + KV_N) / 4]
@group(0) @binding(2) var<storage, read> query_norm: array<vec4f>;  // [HEAD_SIZE / 4]
@group(0) @binding(3) var<storage, read> key_norm: array<vec4f>;  // [HEAD_SIZE / 4]
@group(0) @binding(5) var<storage, read_write> queries: array<vec4f>;  // [M][Q_N / 4]

const QUADS = HEAD_SIZE / 4u;

@compute @workgroup_size(INVOCATIONS)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) invocation: u32) {
  let row = id.y;
  let n = id.x * HEAD_SIZE;
  let position = step.position + row;
  let first = (row * (Q_N + KV_N) + n) / 4u;
  var squares = vec4f();
  for (var i = 0u; i < QUADS; i++) {
    let v = projected[first + i];
    squares = fma(v, v, squares);
  }
  let square = (squares.x + squares.y) + (squares.z + squares.w);
  let scale = inverseSqrt(fma(square, 1.0 / f32(HEAD_SIZE), RMS_EPSILON));
  let is_query = n < Q_N;
  for (var base = 0u; base < QUADS; base += INVOCATIONS) {
    let quad = min(base + invocation, QUADS - 1u);
    let norm = select(key_norm[quad], query_norm[quad], is_query);
    let rotated = turned(position, quad * 4u, projected[first + quad] * scale * norm);
    let stores = base + invocation < QUADS;
    if (stores && is_query) { queries[(row * Q_N + n) / 4u + quad] = rotated * (1.0 / sqrt(f32(HEAD_SIZE))); }
    store_key(invocation, (slot(position) * KV_N + n - Q_N) / 4u + quad, rotated, stores && !is_query);
  }
}
