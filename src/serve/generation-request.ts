import type { GenerationOptions, StrategyName } from "../engine/generation-run.ts";
import type { Sampling } from "../util/sampling.ts";
import { isLaunchName } from "../spec/schedule/launch-rule.ts";
import type { TextCodec } from "../engine/text-codec.ts";
import { MAX_BIASES } from "../kernels/sampling/adjust.ts";
import { invalid } from "./api-error.ts";
import type { Service } from "./service.ts";

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
  /** Whether the log-probabilities of the prompts' tokens are wanted too. */
  readonly scoresPrompts: boolean;
  readonly stream: boolean;
  /** Whether a stream ends with the usage. */
  readonly includeUsage: boolean;
  readonly returnTokens: boolean;
  /** Whether a stream tells how far the prompt is fed. */
  readonly returnProgress: boolean;
  /** Whether each token is told with who wrote it. */
  readonly provenance: boolean;
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
 * the context has room for. With `logprobs` each token's log-probability is told, and that many of the likeliest ones.
 * Throws an ApiError that names the field which is wrong.
 */
export function generationRequest(
  { engine: { codec, models } }: Service,
  fields: Fields,
  prompts: readonly Prompt[],
  maxTokens: number | null,
  logprobs?: number,
): GenerationRequest {
  const { n, stop, strategy, launch, draft, cache_prompt: cachePrompt, stream, stream_options: streamOptions } = fields;
  if (typeof launch === "string" && !isLaunchName(launch)) {
    throw invalid("launch", "is no launch rule; adaptive, published and fixed:1 to fixed:15 are there");
  }
  const wantsDraft = draft !== false && typeof strategy === "string" && strategy !== "greedy";
  // Where the draft's device was lost the engine goes on without it, whatever is asked for.
  if (wantsDraft && !models.draft && !fields.prediction) {
    throw invalid("strategy", 'drafts, and this server has nothing to draft with; leave it out, or use "greedy"');
  }
  if (streamOptions && !stream) throw invalid("stream_options", 'is for streams; set "stream" too, or leave it out');
  const seed = seedOf(fields.seed);
  return {
    prompts,
    choices: (n as number | null | undefined) ?? 1,
    seed,
    options: {
      ...samplingOptions(fields),
      logprobs,
      ...fields.post_sampling_probs === true && fields.temperature !== 0 && { logprobsOf: "draw" },
      ...penaltyOptions(fields),
      logitBias: biasesOf(fields.logit_bias, codec),
      ignoreEos: fields.ignore_eos === true,
      ...maxTokens !== null && { maxTokens },
      stop: typeof stop === "string" ? [stop] : (stop as string[] | null | undefined) ?? [],
      strategy: draft === false ? "greedy" : (strategy as StrategyName | null | undefined) ?? undefined,
      prediction: predictionOf(fields.prediction),
      launch: launch as GenerationOptions["launch"] ?? undefined,
      reuseCache: cachePrompt !== false,
      trace: fields.trace === true ? "keep" : "off",
      warn: () => {},
    },
    scoresPrompts: fields.echo === true && logprobs !== undefined,
    stream: stream === true,
    includeUsage: (streamOptions as { include_usage?: boolean } | null | undefined)?.include_usage === true,
    returnProgress: stream === true && fields.return_progress === true,
    returnTokens: fields.return_tokens === true,
    provenance: fields.provenance === true,
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

/** OpenAI's and vLLM's penalties, or llama.cpp's, which look at the last tokens, the prompt's too. */
function penaltyOptions(fields: Fields): Partial<GenerationOptions> {
  const number = (name: string) => (fields[name] as number | null | undefined) ?? undefined;
  const lastN = number("repeat_last_n");
  return {
    presencePenalty: number("presence_penalty"),
    frequencyPenalty: number("frequency_penalty"),
    repetitionPenalty: number("repetition_penalty") ?? number("repeat_penalty"),
    ...lastN !== undefined && { penaltyWindow: lastN < 0 ? MAX_WINDOW : lastN },
  };
}

/** More tokens than any text has. */
const MAX_WINDOW = 2 ** 31;

function biasesOf(biases: unknown, codec: TextCodec): ReadonlyMap<number, number> | undefined {
  if (!biases) return undefined;
  const isList = Array.isArray(biases);
  const entries =
    (isList ? biases : Object.entries(biases)) as readonly (readonly [string | number, number | boolean])[];
  const found = new Map<number, number>();
  for (const [i, [what, bias]] of entries.entries()) {
    const path = isList ? `logit_bias[${i}]` : `logit_bias.${what}`;
    // A key that is no number is a text, all tokens of which get the bias.
    const isId = typeof what === "number" || (!isList && /^\d+$/.test(what));
    const tokens = isId ? [Number(what)] : codec.encodeText(`${what}`, { special: true, addBos: false });
    for (const token of tokens) {
      if (token < 0 || token >= codec.vocabulary) throw invalid(path, `is no token; there are ${codec.vocabulary}`);
      if (typeof bias === "number") found.set(token, bias);
      else if (!bias) found.set(token, -Infinity);
    }
  }
  if (found.size > MAX_BIASES) throw invalid("logit_bias", `is of ${found.size} tokens; at most ${MAX_BIASES} may be`);
  return found;
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
