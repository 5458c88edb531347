// Keeps the gates until the product of the ups, which are of another format (epilogue-up.wgsl). The matrix may hold
// only part of N, from N_OFFSET on.
@group(0) @binding(4) var<storage, read_write> gates: array<vec4f>;  // [M][FEED_FORWARD / 4]

fn epilogue(row: u32, part_quad: u32, y: vec4f) {
  let n_quad = part_quad + N_OFFSET / 4u;
  if (owner() && row < step.rows && n_quad < FEED_FORWARD / 4u) { gates[row * (FEED_FORWARD / 4u) + n_quad] = y; }
}
