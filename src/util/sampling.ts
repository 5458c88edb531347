/**
 * How a token is chosen where it isn't the argmax of the logits: it has the largest score, logit / temperature + Gumbel noise keyed by
 * (seed, position, token), among the tokens that the filters leave (arXiv 2408.07978: a function of logits, seed and position alone).
 */
export interface Sampling {
  /** Above 0. */
  readonly temperature: number;
  /** The filters, in this order, on softmax(logits / temperature): the k likeliest (0: all), */
  readonly topK: number;
  /** the likeliest that together reach this share (1: all), */
  readonly topP: number;
  /** those with at least this share of the likeliest one's (0: all). */
  readonly minP: number;
  /** 0 to 2^32 - 1. */
  readonly seed: number;
}
