// N is Q, then K, then V. Rotates Q and K (RoPE on pairs 2i, 2i + 1, the order in which GGUF stores them; arXiv
// 2104.09864), scales Q by 1 / sqrt(head size), and writes K and V into the KV cache (cache-write-*.wgsl), in the slot
// of the row's position. The matrix may hold only part of N, from N_OFFSET on.
@group(0) @binding(4) var<storage, read> rope: array<vec4f>;  // [position][HEAD_SIZE / 4]: cos, sin, cos, sin
@group(0) @binding(5) var<storage, read_write> queries: array<vec4f>;  // [M][Q_N / 4]

fn epilogue(row: u32, n_quad: u32, y: vec4f) {
  let n = n_quad * 4u + N_OFFSET;
  let position = step.position + row;
  let turn = rope[position * (HEAD_SIZE / 4u) + (n % HEAD_SIZE) / 4u];
  let rotated = vec4f(
    fma(y.x, turn.x, -(y.y * turn.y)), fma(y.x, turn.y, y.y * turn.x),
    fma(y.z, turn.z, -(y.w * turn.w)), fma(y.z, turn.w, y.w * turn.z),
  );
  let stores = owner() && row < step.rows;
  let is_query = n < Q_N;
  let is_key = !is_query && n < Q_N + KV_N;
  let is_value = n >= Q_N + KV_N && n < Q_N + 2u * KV_N;
  if (stores && is_query) { queries[(row * Q_N + n) / 4u] = rotated * (1.0 / sqrt(f32(HEAD_SIZE))); }
  let at = slot(position) * KV_N;
  store_key(invocation, (at + n - Q_N) / 4u, rotated, stores && is_key);
  store_value(invocation, (at + n - Q_N - KV_N) / 4u, y, stores && is_value);
}
