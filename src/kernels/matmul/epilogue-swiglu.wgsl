// Rows alternate, gate and up; writes silu(gate) * up (arXiv 2002.05202). A matrix may hold only some of the rows: ROW_OFFSET.

fn epilogue(column: u32, part_row_group: u32, y: vec4f) {
  let row_group = part_row_group + ROW_OFFSET / 4u;
  let gate = y.xz;
  let stores = owner() && column < step.rows && row_group < FEED_FORWARD / 2u;
  store_pair(lane, column, row_group, gate / (vec2f(1.0) + exp(-gate)) * y.yw, stores);
}
