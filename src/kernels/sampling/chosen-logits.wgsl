// Adds to each row's log-probabilities the logit of the token that was chosen, and of the one in the next row.
// Grid: (1, M).
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> told: array<f32>;  // [M][VOCABULARY]
@group(0) @binding(2) var<storage, read> chosen: array<Chosen>;  // [M] from step.chosen_at on
@group(0) @binding(3) var<storage, read> tokens: array<u32>;  // [M]
@group(0) @binding(4) var<storage, read_write> logprobs: array<Logprobs>;  // [M] from step.chosen_at on

@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) group: vec3u) {
  let row = group.y;
  let at = step.chosen_at + row;
  let token = chosen[at].token;
  if (token < VOCABULARY) { logprobs[at].chosen = told[row * VOCABULARY + token]; }
  if (row + 1u < step.rows && tokens[row + 1u] < VOCABULARY) {
    logprobs[at].next = told[row * VOCABULARY + tokens[row + 1u]];
  }
}
