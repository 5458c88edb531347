// What the host makes log-probabilities of: logits, and the log of the sum of the exponentials of all of the row's.
struct Logprobs {
  log_sum: f32,
  chosen: f32,  // the chosen token's logit
  next: f32,  // the logit of the token in the next row; of the last row 0
  top: array<ScoredToken, TOP>,
}
