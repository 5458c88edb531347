import { type Adjustments, type LogprobsOf, type Sampling, TOP_LOGPROBS } from "../util/sampling.ts";

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
  /** What is added to the logits of tokens, by their ids; -Infinity forbids one. */
  readonly logitBias?: ReadonlyMap<number, number>;
  /** Never end the answer by an end-of-text token. */
  readonly ignoreEos?: boolean;
  /** Is taken off the logits of tokens that the answer has; default 0. */
  readonly presencePenalty?: number;
  /** The same, times how often it has them; default 0. */
  readonly frequencyPenalty?: number;
  /**
   * Divides the logits above 0 of tokens that prompt or answer have, and multiplies those below (arXiv 1909.05858);
   * above 0, default 1.
   */
  readonly repetitionPenalty?: number;
  /** All three penalties look at this many of the last tokens, of the prompt too; default: as they say. */
  readonly penaltyWindow?: number;
  /**
   * Each token comes with its log-probability by the model's own logits, and this many of the likeliest tokens, 0 to
   * 20; default: none.
   */
  readonly logprobs?: number;
  /**
   * "draw": the log-probabilities are those by which tokens are drawn, after adjustments, temperature and filters;
   * needs a temperature. Default "model".
   */
  readonly logprobsOf?: LogprobsOf;
}

/** What samplings depend on beside the options. */
export interface SamplingContext {
  readonly promptTokens: number;
  readonly vocabulary: number;
  readonly eosIds: Iterable<number>;
}

const NO_CONTEXT: SamplingContext = { promptTokens: 0, vocabulary: Infinity, eosIds: [] };

const MAX_SEED = 2 ** 32 - 1;

/**
 * What the options come to; null where the likeliest token is taken. Throws a RangeError for an option out of range,
 * and a TypeError where tokens are to be filtered and no temperature says that they are drawn.
 */
export function samplingOf(options: SamplingOptions, context: SamplingContext = NO_CONTEXT): Sampling | null {
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
  const { logprobs, logprobsOf } = options;
  if (logprobs !== undefined) {
    const fits = Number.isInteger(logprobs) && logprobs >= 0 && logprobs <= TOP_LOGPROBS;
    check("logprobs", logprobs, fits, `a whole number from 0 to ${TOP_LOGPROBS}`);
  }
  const adjustments = adjustmentsOf(options, context);
  const more = {
    ...adjustments && { adjustments },
    ...logprobs !== undefined && { logprobs },
    ...logprobsOf !== undefined && { logprobsOf },
  };
  if (temperature > 0) return { temperature, topK, topP, minP, seed, ...more };
  if (logprobsOf === "draw") {
    throw new TypeError("Cannot tell the probabilities of a draw where nothing is drawn: give a temperature above 0");
  }
  const filter = (["topK", "topP", "minP"] as const).find((name) => options[name] !== undefined);
  if (filter !== undefined && options.temperature === undefined) {
    throw new TypeError(`Cannot use ${filter} where nothing is drawn at random: give a temperature above 0`);
  }
  if (!adjustments && logprobs === undefined) return null;
  return { temperature: 0, topK: 0, topP: 1, minP: 0, seed: 0, ...more };
}

function adjustmentsOf(options: SamplingOptions, { promptTokens, vocabulary, eosIds }: SamplingContext) {
  const {
    logitBias = new Map<number, number>(),
    ignoreEos = false,
    presencePenalty: presence = 0,
    frequencyPenalty: frequency = 0,
    repetitionPenalty: repetition = 1,
    penaltyWindow: window,
  } = options;
  const check = (name: string, value: number, fits: boolean, wanted: string) => {
    if (!fits) throw new RangeError(`Cannot sample with a ${name} of ${value}: ${wanted} is wanted`);
  };
  check("presencePenalty", presence, Number.isFinite(presence), "a number");
  check("frequencyPenalty", frequency, Number.isFinite(frequency), "a number");
  check("repetitionPenalty", repetition, repetition > 0 && repetition < Infinity, "more than 0");
  if (window !== undefined) {
    check("penaltyWindow", window, Number.isInteger(window) && window >= 0, "a whole number of 0 or more");
  }
  for (const [token, bias] of logitBias) {
    check("logitBias for token", token, Number.isInteger(token) && token >= 0 && token < vocabulary, "one of the ids");
    check("logitBias", bias, bias < Infinity, "a number");
  }
  const biases = new Map(logitBias);
  if (ignoreEos) { for (const token of eosIds) biases.set(token, -Infinity); }
  if (biases.size === 0 && presence === 0 && frequency === 0 && repetition === 1) return undefined;
  const adjustments: Adjustments = {
    biases: [...biases],
    ...window !== undefined && { window },
    countedFrom: window === undefined ? promptTokens : 0,
    repetition,
    presence,
    frequency,
  };
  return adjustments;
}
