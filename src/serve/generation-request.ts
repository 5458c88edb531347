import type { GenerationOptions, StrategyName } from "../engine/generation-run.ts";
import type { Sampling } from "../util/sampling.ts";
import { isLaunchName } from "../spec/schedule/launch-rule.ts";
import { invalid } from "./api-error.ts";

/** The checked fields of a request. */
export type Fields = Readonly<Record<string, unknown>>;

/** What a request for text comes to: answers to prompts, and how they are written and sent. */
export interface GenerationRequest {
  /** The tokens of each prompt, and its text. */
  readonly prompts: readonly Prompt[];
  /** Answers to each prompt, with seeds of their own. */
  readonly choices: number;
  readonly options: GenerationOptions;
  readonly seed: number;
  readonly stream: boolean;
  /** Whether a stream ends with the usage. */
  readonly includeUsage: boolean;
  readonly returnTokens: boolean;
  /** Whether each token is told with who wrote it. */
  readonly provenance: boolean;
  readonly timingsPerToken: boolean;
}

export interface Prompt {
  readonly tokens: readonly number[];
  /** What the tokens were made of; "" where they were given as such. */
  readonly text: string;
}

/** Clients that send no temperature mean 1, as OpenAI's API and vLLM take it. */
const DEFAULT_TEMPERATURE = 1;

/**
 * Reads what all kinds of requests have in common. `maxTokens` is what a request may ask for at most; null: all that
 * the context has room for. Throws an ApiError that names the field which is wrong.
 */
export function generationRequest(
  fields: Fields,
  prompts: readonly Prompt[],
  maxTokens: number | null,
): GenerationRequest {
  const { n, stop, strategy, launch, draft, cache_prompt: cachePrompt, stream, stream_options: streamOptions } = fields;
  if (typeof launch === "string" && !isLaunchName(launch)) {
    throw invalid("launch", "is no launch rule; adaptive, published and fixed:1 to fixed:15 are there");
  }
  if (streamOptions && !stream) throw invalid("stream_options", 'is for streams; set "stream" too, or leave it out');
  const seed = seedOf(fields.seed);
  return {
    prompts,
    choices: (n as number | null | undefined) ?? 1,
    seed,
    options: {
      ...samplingOptions(fields),
      ...maxTokens !== null && { maxTokens },
      stop: typeof stop === "string" ? [stop] : (stop as string[] | null | undefined) ?? [],
      strategy: draft === false ? "greedy" : (strategy as StrategyName | null | undefined) ?? undefined,
      prediction: predictionOf(fields.prediction),
      launch: launch as GenerationOptions["launch"] ?? undefined,
      reuseCache: cachePrompt !== false,
      trace: fields.trace === true ? "keep" : "off",
      warn: () => {},
    },
    stream: stream === true,
    includeUsage: (streamOptions as { include_usage?: boolean } | null | undefined)?.include_usage === true,
    returnTokens: fields.return_tokens === true,
    provenance: fields.provenance === true,
    timingsPerToken: fields.timings_per_token === true,
  };
}

/** OpenAI's guess at the answer, a text or parts of one. */
function predictionOf(prediction: unknown): string | undefined {
  if (!prediction) return undefined;
  const { content } = prediction as { readonly content: string | readonly { readonly text?: string }[] };
  return typeof content === "string" ? content : content.map(({ text = "" }) => text).join("");
}

/** The seed of the choice of that number: each draws differently. */
export function choiceSeed(seed: number, choice: number): number {
  return (seed + choice) % 2 ** 32;
}

/** Any whole number is a seed; -1 and none are a new one. */
function seedOf(seed: unknown): number {
  if (typeof seed !== "number" || seed === -1) return crypto.getRandomValues(new Uint32Array(1))[0]!;
  return ((seed % 2 ** 32) + 2 ** 32) % 2 ** 32;
}

/** With a temperature of 0 the filters of tokens change nothing. */
function samplingOptions({ temperature, top_k: topK, top_p: topP, min_p: minP }: Fields): Partial<Sampling> {
  const value = (temperature as number | null | undefined) ?? DEFAULT_TEMPERATURE;
  if (value === 0) return {};
  return {
    temperature: value,
    topK: Math.max(0, (topK as number | null | undefined) ?? 0),
    topP: (topP as number | null | undefined) ?? 1,
    minP: (minP as number | null | undefined) ?? 0,
  };
}
