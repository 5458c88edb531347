// Rows are Q, then K, then V; rotates Q and K (RoPE on pairs 2i, 2i + 1, the order in which GGUF stores them; arXiv 2104.09864), scales Q by
// 1 / sqrt(head size), writes K and V into the cache (cache-write-*.wgsl) in the slot of the column's position. A matrix may hold only some of the rows:
// ROW_OFFSET.
@group(0) @binding(4) var<storage, read> rope: array<vec4f>;  // [position][HEAD_SIZE / 4]: cos, sin, cos, sin
@group(0) @binding(5) var<storage, read_write> queries: array<vec4f>;  // [column][Q_ROWS / 4]

fn epilogue(column: u32, row_group: u32, y: vec4f) {
  let row = row_group * 4u + ROW_OFFSET;
  let position = step.position + column;
  let turn = rope[position * (HEAD_SIZE / 4u) + (row % HEAD_SIZE) / 4u];
  let rotated = vec4f(
    fma(y.x, turn.x, -(y.y * turn.y)), fma(y.x, turn.y, y.y * turn.x),
    fma(y.z, turn.z, -(y.w * turn.w)), fma(y.z, turn.w, y.w * turn.z),
  );
  let stores = owner() && column < step.rows;
  let is_query = row < Q_ROWS;
  let is_key = !is_query && row < Q_ROWS + KV_ROWS;
  let is_value = row >= Q_ROWS + KV_ROWS && row < Q_ROWS + 2u * KV_ROWS;
  if (stores && is_query) { queries[(column * Q_ROWS + row) / 4u] = rotated * (1.0 / sqrt(f32(HEAD_SIZE))); }
  let at = slot(position) * KV_ROWS;
  store_key(lane, (at + row - Q_ROWS) / 4u, rotated, stores && is_key);
  store_value(lane, (at + row - Q_ROWS - KV_ROWS) / 4u, y, stores && is_value);
}
