import type { Sampling } from "../util/sampling.ts";

/** How tokens are drawn at random. The same seed gives the same text on one device, whatever the strategy. */
export interface SamplingOptions {
  /** Tokens are drawn from softmax(logits / temperature). Default 0: the likeliest token is taken. */
  readonly temperature?: number;
  /** Draw from the k likeliest tokens only; default 0: all. Needs a temperature, as `topP` and `minP` do. */
  readonly topK?: number;
  /** Draw from the likeliest tokens that together reach this share, above 0 to 1; default 1: all. */
  readonly topP?: number;
  /** Draw from the tokens with at least this share of the likeliest one's, 0 to below 1; default 0: all. */
  readonly minP?: number;
  /** A whole number from 0 to 2^32 - 1; default: a new one for each text. */
  readonly seed?: number;
}

const MAX_SEED = 2 ** 32 - 1;

/**
 * What the options come to; null where the likeliest token is taken. Throws a RangeError for an option out of range,
 * and a TypeError where tokens are to be filtered and no temperature says that they are drawn.
 */
export function samplingOf(options: SamplingOptions): Sampling | null {
  const { temperature = 0, topK = 0, topP = 1, minP = 0 } = options;
  const { seed = crypto.getRandomValues(new Uint32Array(1))[0]! } = options;
  const check = (name: string, value: number, fits: boolean, wanted: string) => {
    if (!fits) throw new RangeError(`Cannot sample with a ${name} of ${value}: ${wanted} is wanted`);
  };
  check("temperature", temperature, temperature >= 0 && temperature < Infinity, "0 or more");
  check("topK", topK, Number.isInteger(topK) && topK >= 0 && topK <= MAX_SEED, "a whole number of 0 or more");
  check("topP", topP, topP > 0 && topP <= 1, "more than 0 and at most 1");
  check("minP", minP, minP >= 0 && minP < 1, "0 or more and less than 1");
  check("seed", seed, Number.isInteger(seed) && seed >= 0 && seed <= MAX_SEED, `a whole number from 0 to ${MAX_SEED}`);
  if (temperature > 0) return { temperature, topK, topP, minP, seed };
  const filter = (["topK", "topP", "minP"] as const).find((name) => options[name] !== undefined);
  if (filter !== undefined && options.temperature === undefined) {
    throw new TypeError(`Cannot use ${filter} where nothing is drawn at random: give a temperature above 0`);
  }
  return null;
}
