// A token with its score: its logit, or what gumbel.wgsl makes of that.
struct ScoredToken { score: f32, token: u32 }

// The best token of a tile of the output product, and the sum of exp(score - its score) over the tile's tokens.
struct ArgmaxTile { score: f32, token: u32, sum: f32 }

const LOWEST = -3.4028234e38;
const HIGHEST = 3.4028234e38;
// Chosen where one of the logits is infinite or a NaN: with the score HIGHEST it beats all tokens.
const NO_TOKEN = 0xffffffffu;

// Looks at the bits, since compilers may take it that no float is infinite or a NaN.
fn scored(logit: f32, token: u32) -> ScoredToken {
  let finite = (bitcast<u32>(logit) & 0x7f800000u) != 0x7f800000u;
  return ScoredToken(select(HIGHEST, logit, finite), select(NO_TOKEN, token, finite));
}

// The larger score, at equal scores the lower token.
fn better(a: ScoredToken, b: ScoredToken) -> ScoredToken {
  let take = b.score > a.score || (b.score == a.score && b.token < a.token);
  return ScoredToken(select(a.score, b.score, take), select(a.token, b.token, take));
}
