// The arithmetic limit: twelve chains of fma in each invocation. Of 4, 8, 12 and 16 chains, with and without the text
// unrolled, twelve did most on lavapipe (25 G/s on a core; with one fma in a turn of the loop 15 at best, for the turn
// costs as much).
// Grid: any. The factors are read from `sink`, so that no compiler knows them beforehand.
@group(0) @binding(0) var<storage, read_write> sink: array<vec4f>;

fn eight(x: vec4f, factor: vec4f) -> vec4f {
  var y = fma(x, factor, factor);
  y = fma(y, factor, factor);
  y = fma(y, factor, factor);
  y = fma(y, factor, factor);
  y = fma(y, factor, factor);
  y = fma(y, factor, factor);
  y = fma(y, factor, factor);
  return fma(y, factor, factor);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let factor = sink[id.x];
  var a = factor;
  var b = factor + 1.0;
  var c = factor + 2.0;
  for (var i = 0u; i < EIGHTS; i++) {
    a = eight(a, factor);
    b = eight(b, factor);
    c = eight(c, factor);
  }
  sink[id.x] = a + b + c;
}
