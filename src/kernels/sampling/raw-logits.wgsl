// Copies the logits before anything changes them.
// Grid: (ceil(VOCABULARY / 64), M).
@group(0) @binding(0) var<storage, read> logits: array<f32>;  // [M][VOCABULARY]
@group(0) @binding(1) var<storage, read_write> raw: array<f32>;  // [M][VOCABULARY]

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < VOCABULARY) { raw[id.y * VOCABULARY + id.x] = logits[id.y * VOCABULARY + id.x]; }
}
