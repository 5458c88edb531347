// The rows that the next product reads, in a texture; they are stored by four elements, or by two, and then two
// invocations together make four.
@group(0) @binding(4) var out: texture_storage_2d<rgba32float, write>;  // [M][OUT_QUADS]

fn store_quad(row: u32, quad: u32, value: vec4f) { textureStore(out, vec2u(quad, row), value); }

// All invocations call this, the even ones with even pairs; those with `stores` have one to store.
fn store_pair(invocation: u32, row: u32, pair: u32, value: vec2f, stores: bool) {
  let next = vec2f(subgroupShuffle(value.x, invocation ^ 1u), subgroupShuffle(value.y, invocation ^ 1u));
  if (stores && invocation % 2u == 0u) { store_quad(row, pair / 2u, vec4f(value, next)); }
}
