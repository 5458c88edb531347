// N alternates, gate and up; writes silu(gate) * up (arXiv 2002.05202). The matrix may hold only part of N, from
// N_OFFSET on.

fn epilogue(row: u32, part_quad: u32, y: vec4f) {
  let n_quad = part_quad + N_OFFSET / 4u;
  let gate = y.xz;
  let stores = owner() && row < step.rows && n_quad < FEED_FORWARD / 2u;
  store_pair(invocation, row, n_quad, gate / (vec2f(1.0) + exp(-gate)) * y.yw, stores);
}
