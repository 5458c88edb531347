/**
 * How a token is chosen. The filters top-k, top-p and min-p, in this order, drop unlikely tokens by softmax(logits /
 * temperature). Of the tokens that are left, the one with the largest score is chosen: logit / temperature + Gumbel
 * noise keyed by (seed, position, token). So the choice is a function of logits, seed and position alone (arXiv
 * 2408.07978).
 */
export interface Sampling {
  /** Divides the logits; 0: the likeliest token is taken, and what follows but for adjustments changes nothing. */
  readonly temperature: number;
  /** The k likeliest tokens stay; 0 keeps all. */
  readonly topK: number;
  /** The likeliest tokens that together reach this probability stay; 1 keeps all. */
  readonly topP: number;
  /** Tokens with at least this share of the likeliest token's probability stay; 0 keeps all. */
  readonly minP: number;
  /** The seed of the noise, 0 to 2^32 - 1. */
  readonly seed: number;
  /** Changes of the logits before all of this; none by default. */
  readonly adjustments?: Adjustments;
  /** With each token its log-probability comes, and this many of the likeliest tokens, 0 to TOP_LOGPROBS. */
  readonly logprobs?: number;
  /** Whether these are by the model's own logits, or of the draw; "model" if not given. */
  readonly logprobsOf?: LogprobsOf;
}

/**
 * What log-probabilities are of: the model's own logits before any change, or what a token is drawn by, after
 * adjustments, temperature and filters. There only tokens that the filters keep are told.
 */
export type LogprobsOf = "model" | "draw";

/** The most of the likeliest tokens that are told with a choice, as OpenAI's API has it. */
export const TOP_LOGPROBS = 20;

/** Changes of logits by a request and by the text so far; see adjust.wgsl. */
export interface Adjustments {
  /** What is added to tokens' logits: [token, bias]; -Infinity forbids a token. A token comes once. */
  readonly biases: readonly (readonly [token: number, bias: number])[];
  /** How many of the text's last tokens the penalties look at; undefined: all. */
  readonly window?: number;
  /** The first position that presence and frequency count: the answer's first, or 0. */
  readonly countedFrom: number;
  /** Divides the logits above 0 of tokens that the text has, and multiplies those below; 1 changes nothing. */
  readonly repetition: number;
  /** Is taken off the logits of tokens that the text has. */
  readonly presence: number;
  /** The same, times how often it has them. */
  readonly frequency: number;
}

/** The log-probabilities in a token's place, natural; Sampling's `logprobsOf` says by what. */
export interface TokenLogprobs {
  /** The token's own. */
  readonly logprob: number;
  /** The likeliest tokens, the likeliest first. */
  readonly top: readonly { readonly token: number; readonly logprob: number }[];
}

/** Those of the token that a pass chose behind one of its rows. */
export interface RowLogprobs extends TokenLogprobs {
  /** That of the token fed in the next row; of a pass's last row it says nothing. */
  readonly next: number;
}
