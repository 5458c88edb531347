// Rows alternate, gate and up; writes silu(gate) * up (arXiv 2002.05202). A matrix may hold only some of the rows: ROW_OFFSET.
@group(0) @binding(4) var<storage, read_write> activation: array<vec2f>;  // [column][FEED_FORWARD / 2]

fn finish(column: u32, part_row_group: u32, y: vec4f) {
  let row_group = part_row_group + ROW_OFFSET / 4u;
  if (!owner() || column >= step.rows || row_group >= FEED_FORWARD / 2u) { return; }
  let gate = y.xz;
  activation[column * (FEED_FORWARD / 2u) + row_group] = gate / (vec2f(1.0) + exp(-gate)) * y.yw;
}
