// The rows that the next product reads, in a buffer; they are stored by four elements, or by two.
@group(0) @binding(4) var<storage, read_write> out: array<vec2f>;  // [M][2 * OUT_QUADS]

fn store_quad(row: u32, quad: u32, value: vec4f) {
  let at = 2u * (row * OUT_QUADS + quad);
  out[at] = value.xy;
  out[at + 1u] = value.zw;
}

// All invocations call this; those with `stores` have a pair to store.
fn store_pair(invocation: u32, row: u32, pair: u32, value: vec2f, stores: bool) {
  if (stores) { out[2u * row * OUT_QUADS + pair] = value; }
}
