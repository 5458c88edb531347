// How scores are made of logits; see sampling.ts, which writes it.
struct Sampling {
  inverse_temperature: f32,
  seed: u32,
  filters: u32,  // whether there are any
  top_k: u32,  // 0: all
  top_p: f32,  // 1: all
  log_min_p: f32,
}

// What the filters leave of a row: the first tokens by falling logit, and by rising token where logits tie.
struct Cut {
  key: u32,  // of the last one's logit
  token: u32,  // at that key, tokens up to this one
  high: f32,  // the row's largest logit
}

// Ordered as the logits are.
fn key_of(logit: f32) -> u32 {
  let bits = bitcast<u32>(logit);
  return select(bits | 0x80000000u, ~bits, bits >= 0x80000000u);
}
