// The best of several tokens by their scores, which are logits, or what gumbel.wgsl makes of them.
struct Best { score: f32, token: u32 }

// Of the tokens that a workgroup of the output product owns: the best, and the sum of exp(score - its score).
struct TileBest { score: f32, token: u32, sum: f32 }

const LOWEST = -3.4028234e38;

// The larger score, at equal scores the lower token.
fn better(a: Best, b: Best) -> Best {
  let take = b.score > a.score || (b.score == a.score && b.token < a.token);
  return Best(select(a.score, b.score, take), select(a.token, b.token, take));
}
