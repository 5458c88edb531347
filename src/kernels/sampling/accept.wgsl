// Behind a verification: moves `step` and the first token on to behind the accepted tokens, which are those fed as long
// as each is the one chosen in its place.
// Grid: (1, 1).
@group(0) @binding(0) var<storage, read_write> step: Step;
@group(0) @binding(1) var<storage, read> chosen: array<Chosen>;
@group(0) @binding(2) var<storage, read_write> tokens: array<u32>;  // [M], as they were fed, but for the first

@compute @workgroup_size(1)
fn main() {
  var accepted = 0u;
  while (accepted + 1u < step.rows && tokens[accepted + 1u] == chosen[step.chosen_at + accepted].token) { accepted++; }
  tokens[0] = chosen[step.chosen_at + accepted].token;
  step.position += accepted + 1u;
}
