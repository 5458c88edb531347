import type { Sampling } from "../util/sampling.ts";

/** How tokens are drawn. The same seed gives the same text, whatever the strategy. */
export interface SamplingOptions {
  /** Default 1; 0 takes the likeliest token. */
  readonly temperature?: number;
  /** Draw from the k likeliest tokens only; default 0: all. */
  readonly topK?: number;
  /** From the likeliest of them that together reach this share; default 1: all. */
  readonly topP?: number;
  /** From those with at least this share of the likeliest one's; default 0: all. */
  readonly minP?: number;
  /** Default: drawn at random. */
  readonly seed?: number;
}

const MAX_SEED = 2 ** 32 - 1;

/** null for a temperature of 0. Throws a RangeError for an option out of range. */
export function samplingOf(options: SamplingOptions): Sampling | null {
  const { temperature = 1, topK = 0, topP = 1, minP = 0 } = options;
  const { seed = crypto.getRandomValues(new Uint32Array(1))[0]! } = options;
  const check = (name: string, value: number, fits: boolean, wanted: string) => {
    if (!fits) throw new RangeError(`Cannot sample with a ${name} of ${value}: ${wanted} is wanted`);
  };
  check("temperature", temperature, temperature >= 0 && temperature < Infinity, "0 or more");
  check("top-k", topK, Number.isInteger(topK) && topK >= 0 && topK <= MAX_SEED, "a whole number of 0 or more");
  check("top-p", topP, topP > 0 && topP <= 1, "more than 0 and at most 1");
  check("min-p", minP, minP >= 0 && minP < 1, "0 or more and less than 1");
  check("seed", seed, Number.isInteger(seed) && seed >= 0 && seed <= MAX_SEED, `a whole number from 0 to ${MAX_SEED}`);
  return temperature === 0 ? null : { temperature, topK, topP, minP, seed };
}
