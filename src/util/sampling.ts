/**
 * How a token is drawn. The filters top-k, top-p and min-p, in this order, drop unlikely tokens by softmax(logits /
 * temperature). Of the tokens that are left, the one with the largest score is chosen: logit / temperature + Gumbel
 * noise keyed by (seed, position, token). So the choice is a function of logits, seed and position alone (arXiv
 * 2408.07978).
 */
export interface Sampling {
  /** Divides the logits; above 0. */
  readonly temperature: number;
  /** The k likeliest tokens stay; 0 keeps all. */
  readonly topK: number;
  /** The likeliest tokens that together reach this probability stay; 1 keeps all. */
  readonly topP: number;
  /** Tokens with at least this share of the likeliest token's probability stay; 0 keeps all. */
  readonly minP: number;
  /** The seed of the noise, 0 to 2^32 - 1. */
  readonly seed: number;
}
