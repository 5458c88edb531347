import { numberParser } from "@stricli/core";
import type { SamplingOptions } from "../../mod.ts";
import { UsageError } from "./errors.ts";
import { count } from "./flags.ts";

export interface SamplingFlags {
  readonly temperature?: number;
  readonly "top-k"?: number;
  readonly "top-p"?: number;
  readonly "min-p"?: number;
  readonly seed?: number;
}

const number = (fits: (value: number) => boolean, wanted: string) => (input: string): number => {
  const value = numberParser(input);
  if (!fits(value)) throw new RangeError(`a number ${wanted} is wanted`);
  return value;
};

/** Parses the values that seeds may have, here and in `benchmark`. */
export const seedParser = count(0, 2 ** 32 - 1);

/** All but the seed, which means something else, too, to `benchmark`. */
export const samplingFlags = {
  temperature: {
    kind: "parsed",
    parse: number((value) => value >= 0 && value < Infinity, "of 0 or more"),
    brief: "Draw tokens at random, from softmax(logits / T); default: 0, the likeliest token",
    placeholder: "T",
    optional: true,
  },
  "top-k": {
    kind: "parsed",
    parse: count(0, 2 ** 32 - 1),
    brief: "Of the N likeliest tokens only; default: 0, all",
    placeholder: "N",
    optional: true,
  },
  "top-p": {
    kind: "parsed",
    parse: number((value) => value > 0 && value <= 1, "above 0, of at most 1"),
    brief: "Of the likeliest tokens that together reach this share; default: 1, all",
    placeholder: "SHARE",
    optional: true,
  },
  "min-p": {
    kind: "parsed",
    parse: number((value) => value >= 0 && value < 1, "of 0 or more, below 1"),
    brief: "Of the tokens with at least this share of the likeliest one's; default: 0, all",
    placeholder: "SHARE",
    optional: true,
  },
} as const;

/** The options that the flags ask for. Throws a UsageError where they filter tokens, and no temperature draws any. */
export function samplingFrom(flags: SamplingFlags): SamplingOptions {
  const { temperature = 0, "top-k": topK, "top-p": topP, "min-p": minP, seed } = flags;
  if (temperature > 0) return { temperature, topK, topP, minP, seed };
  const idle = (["top-k", "top-p", "min-p"] as const).find((name) => flags[name] !== undefined);
  if (idle !== undefined) {
    throw new UsageError(`Cannot use --${idle} where nothing is drawn at random: give a --temperature above 0`);
  }
  return {};
}
