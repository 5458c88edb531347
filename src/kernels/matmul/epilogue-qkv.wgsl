// N is Q, then K, then V. Turns Q and K (rope.wgsl), scales Q by 1 / sqrt(head size), and writes K and V into the KV
// cache (cache-write-*.wgsl), in the slot of the row's position. With QK_NORMS it leaves Q and K as they are, in
// `queries`, [M][(Q_N + KV_N) / 4], for qk-norm.wgsl. The matrix may hold only part of N, from N_OFFSET on.
@group(0) @binding(5) var<storage, read_write> queries: array<vec4f>;  // [M][Q_N / 4]

fn epilogue(row: u32, n_quad: u32, y: vec4f) {
  let n = n_quad * 4u + N_OFFSET;
  let position = step.position + row;
  let stores = owner() && row < step.rows;
  let is_query = n < Q_N;
  let is_key = !is_query && n < Q_N + KV_N;
  let is_value = n >= Q_N + KV_N && n < Q_N + 2u * KV_N;
  let at = slot(position) * KV_N;
  if (QK_NORMS) {
    if (stores && n < Q_N + KV_N) { queries[(row * (Q_N + KV_N) + n) / 4u] = y; }
  } else {
    let rotated = turned(position, n, y);
    if (stores && is_query) { queries[(row * Q_N + n) / 4u] = rotated * (1.0 / sqrt(f32(HEAD_SIZE))); }
    store_key(invocation, (at + n - Q_N) / 4u, rotated, stores && is_key);
  }
  store_value(invocation, (at + n - Q_N - KV_N) / 4u, y, stores && is_value);
}
