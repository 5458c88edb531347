// A token with its score: its logit, or what gumbel.wgsl makes of that.
struct ScoredToken { score: f32, token: u32 }

// The best token of a tile of the output product, and the sum of exp(score - its score) over the tile's tokens.
struct ArgmaxTile { score: f32, token: u32, sum: f32 }

const LOWEST = -3.4028234e38;

// The larger score, at equal scores the lower token.
fn better(a: ScoredToken, b: ScoredToken) -> ScoredToken {
  let take = b.score > a.score || (b.score == a.score && b.token < a.token);
  return ScoredToken(select(a.score, b.score, take), select(a.token, b.token, take));
}
