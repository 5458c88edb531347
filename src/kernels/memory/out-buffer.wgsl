// What the next product reads, in a buffer; for four elements at a time, or two.
@group(0) @binding(4) var<storage, read_write> out: array<vec2f>;  // [column][2 * OUT_QUADS]

fn store_quad(column: u32, quad: u32, value: vec4f) {
  let at = 2u * (column * OUT_QUADS + quad);
  out[at] = value.xy;
  out[at + 1u] = value.zw;
}

// Called by all lanes; those with `stores` have a pair to store.
fn store_pair(lane: u32, column: u32, pair: u32, value: vec2f, stores: bool) {
  if (stores) { out[2u * column * OUT_QUADS + pair] = value; }
}
