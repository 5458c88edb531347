// How scores are made of logits; sampling.ts writes it.
struct Sampling {
  inverse_temperature: f32,
  seed: u32,
  filters: u32,  // 1 where top_k, top_p or log_min_p leave tokens out, else 0
  top_k: u32,  // 0: all
  top_p: f32,  // 1: all
  log_min_p: f32,
}

// Where top-k and top-p cut a row's order, which is by falling logit, and by rising token where logits tie.
struct Cutoff {
  key: u32,  // key_of the last kept logit
  token: u32,  // of the tokens with that key, those up to this one are kept
  high: f32,  // the row's largest logit
}

// Unsigned integers in the order of the logits.
fn key_of(logit: f32) -> u32 {
  let bits = bitcast<u32>(logit);
  return select(bits | 0x80000000u, ~bits, bits >= 0x80000000u);
}

// Whether the filters keep a token with that logit; those with the logit LOWEST are no choice at all.
fn is_kept(cutoff: Cutoff, logit: f32, token: u32) -> bool {
  let key = key_of(logit);
  let kept = (key > cutoff.key || (key == cutoff.key && token <= cutoff.token)) &&
    (logit - cutoff.high) * sampling.inverse_temperature >= sampling.log_min_p;
  return (kept || sampling.filters == 0u) && logit > LOWEST;
}
