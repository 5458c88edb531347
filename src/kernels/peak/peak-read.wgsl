// The bandwidth limit: reads the whole of `weights` as products do, 16 bytes a load, with no more arithmetic than keeps
// the loads from being optimised away.
// Grid: (words / (64 * WORDS)); a workgroup reads 64 * WORDS words that lie together.
@group(0) @binding(0) var<storage, read_write> sink: array<vec4u>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  let first = group.x * 64u * WORDS + index;
  var sum = vec4u();
  for (var i = 0u; i < WORDS; i += 4u) {
    sum ^= load_word(first + i * 64u);
    sum ^= load_word(first + (i + 1u) * 64u);
    sum ^= load_word(first + (i + 2u) * 64u);
    sum ^= load_word(first + (i + 3u) * 64u);
  }
  sink[group.x * 64u + index] = sum;
}
