// What the next product reads, in a texture; for four elements at a time, or two, of which two lanes make four.
@group(0) @binding(4) var out: texture_storage_2d<rgba32float, write>;  // [column][OUT_QUADS]

fn store_quad(column: u32, quad: u32, value: vec4f) { textureStore(out, vec2u(quad, column), value); }

// Called by all lanes, of which the even ones have even pairs; those with `stores` have one to store.
fn store_pair(lane: u32, column: u32, pair: u32, value: vec2f, stores: bool) {
  let next = vec2f(subgroupShuffle(value.x, lane ^ 1u), subgroupShuffle(value.y, lane ^ 1u));
  if (stores && lane % 2u == 0u) { store_quad(column, pair / 2u, vec4f(value, next)); }
}
