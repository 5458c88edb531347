// Changes each row's logits by the biases of tokens, then by penalties of those that the text has up to the row: a
// logit above 0 is divided by `repetition`, one below multiplied (arXiv 1909.05858); then `presence` and `frequency`
// times the count are taken off (platform.openai.com/docs/api-reference). A function of the text before the choice
// alone.
// Grid: (1, M).
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<uniform> adjustments: Adjustments;
@group(0) @binding(2) var<storage, read> history: array<u32>;  // the token of each slot of the KV cache
@group(0) @binding(3) var<storage, read> biases: array<Bias>;  // a token comes once
@group(0) @binding(4) var<storage, read_write> logits: array<f32>;  // [M][VOCABULARY]
@group(0) @binding(5) var<storage, read_write> counts: array<atomic<u32>>;  // [M][VOCABULARY]; zeros before and after

struct Adjustments {
  biases: u32,
  window: u32,  // how many of the last tokens count
  counted_from: u32,  // the first position that presence and frequency count
  repetition: f32,
  presence: f32,
  frequency: f32,
}
struct Bias { token: u32, bias: f32 }

const IN_WINDOW = 0x80000000u;

@compute @workgroup_size(INVOCATIONS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) invocation: u32) {
  let row = group.y;
  let at = row * VOCABULARY;
  for (var i = invocation; i < adjustments.biases; i += INVOCATIONS) {
    let bias = biases[i];
    if (bias.token < VOCABULARY) {
      let logit = logits[at + bias.token];
      // The sum of two low numbers would be no number.
      logits[at + bias.token] = select(logit + bias.bias, LOWEST, bias.bias <= LOWEST || logit <= LOWEST);
    }
  }
  let end = step.position + row + 1u;
  let first = end - min(end, adjustments.window);
  for (var position = first + invocation; position < end; position += INVOCATIONS) {
    let token = history[slot(position)];
    if (token < VOCABULARY) {
      atomicOr(&counts[at + token], IN_WINDOW);
      if (position >= adjustments.counted_from) { atomicAdd(&counts[at + token], 1u); }
    }
  }
  storageBarrier();
  for (var position = first + invocation; position < end; position += INVOCATIONS) {
    let token = history[slot(position)];
    if (token < VOCABULARY) {
      // Of a token that is there several times, one invocation takes the count, and the others find none.
      let count = atomicExchange(&counts[at + token], 0u);
      var logit = logits[at + token];
      if (count > 0u && logit > LOWEST) {
        logit = select(logit * adjustments.repetition, logit / adjustments.repetition, logit > 0.0);
        let times = count & ~IN_WINDOW;
        logit -= f32(times) * adjustments.frequency + select(0.0, adjustments.presence, times > 0u);
        logits[at + token] = logit;
      }
    }
  }
}
