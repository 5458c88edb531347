// Writes silu(gate) * up (arXiv 2002.05202), with the gates that epilogue-gate.wgsl left. The matrix may hold only part
// of N, from N_OFFSET on.
@group(0) @binding(5) var<storage, read> gates: array<vec4f>;  // [M][FEED_FORWARD / 4]

fn epilogue(row: u32, part_quad: u32, y: vec4f) {
  let n_quad = part_quad + N_OFFSET / 4u;
  if (!owner() || row >= step.rows || n_quad >= FEED_FORWARD / 4u) { return; }
  let gate = gates[row * (FEED_FORWARD / 4u) + n_quad];
  store_quad(row, n_quad, gate / (vec4f(1.0) + exp(-gate)) * y);
}
