import type { GenerationRecord, Piece, WrittenToken } from "../engine/generation-run.ts";
import type { TokenLogprobs } from "../util/sampling.ts";
import { answer, type Dialect, type PromptProgress } from "./answer.ts";
import { promptsOf } from "./completions.ts";
import type { ServerEvent } from "./events.ts";
import { choiceSeed, type GenerationRequest, generationRequest } from "./generation-request.ts";
import { chatLogprobs, drawProbabilities } from "./logprobs.ts";
import { checked } from "./schemas.ts";
import type { Service } from "./service.ts";
import { timingsOf } from "./usage.ts";

/**
 * llama.cpp's own completion (tools/server/README.md of ggml-org/llama.cpp): one object for one answer, a list for
 * several; a stream's events have no end mark.
 */
export async function nativeCompletion(service: Service, request: Request, body: unknown): Promise<Response> {
  const fields = checked("NativeCompletion", body);
  const wanted = (fields.n_predict ?? fields.max_tokens ?? -1) as number;
  const top = fields.n_probs ? fields.n_probs as number : undefined;
  const asked = generationRequest(service, fields, promptsOf(service, fields.prompt), wanted < 0 ? null : wanted, top);
  const responseFields = (fields.response_fields ?? []) as readonly string[];
  const isPostSampling = fields.post_sampling_probs === true;
  return await answer(service, request, asked, new NativeDialect(service, asked, responseFields, isPostSampling));
}

class NativeDialect implements Dialect {
  readonly id = `cmpl-${crypto.randomUUID()}`;
  readonly #service: Service;
  readonly #asked: GenerationRequest;
  readonly #fields: readonly string[];
  readonly #isPostSampling: boolean;
  #written = 0;

  constructor(service: Service, asked: GenerationRequest, fields: readonly string[], isPostSampling: boolean) {
    this.#service = service;
    this.#asked = asked;
    this.#fields = fields;
    this.#isPostSampling = isPostSampling;
  }

  begin(): Iterable<ServerEvent> {
    this.#written = 0;
    return [];
  }

  *progress(index: number, prompt_progress: PromptProgress): Iterable<ServerEvent> {
    const { data } = this.#part(index, "", []);
    yield { data: { ...data, prompt_progress } };
  }

  /** One event a token, as llama.cpp's clients count them. */
  *piece(index: number, { text, tokens }: Piece): Iterable<ServerEvent> {
    for (const token of tokens) yield this.#part(index, token.text, [token]);
    if (tokens.length === 0) yield this.#part(index, text, []);
  }

  #part(index: number, content: string, written: readonly WrittenToken[]) {
    this.#written += written.length;
    const counts = { tokens_predicted: this.#written, tokens_evaluated: this.#prompt(index).tokens.length };
    const tokens = written.map(({ token }) => token);
    const logprobs = written.flatMap(({ logprobs }) => logprobs ?? []);
    return {
      data: { index, content, tokens, stop: false, id_slot: 0, ...counts, ...this.#logprobs(tokens, logprobs) },
    };
  }

  #logprobs(tokens: readonly number[], logprobs: readonly TokenLogprobs[]) {
    const { options } = this.#asked;
    const { codec } = this.#service.engine;
    if (options.logprobs === undefined) return {};
    if (!this.#isPostSampling) return { completion_probabilities: chatLogprobs(codec, tokens, logprobs) };
    // Without a temperature there is no draw, and the token is certain.
    const own = options.temperature === undefined ? tokens.map(certain) : logprobs;
    return { completion_probabilities: drawProbabilities(codec, tokens, own) };
  }

  *end(index: number, record: GenerationRecord): Iterable<ServerEvent> {
    yield { data: { ...this.#final(index, record), content: "", tokens: [] } };
  }

  done(): Iterable<ServerEvent> {
    return [];
  }

  whole(records: readonly GenerationRecord[]): unknown {
    const finals = records.map((record, index) => {
      const final: Record<string, unknown> = this.#final(index, record);
      if (this.#fields.length === 0) return final;
      return Object.fromEntries(this.#fields.flatMap((path) => {
        const value = path.split("/").reduce<unknown>((at, key) => (at as Record<string, unknown>)?.[key], final);
        return value === undefined ? [] : [[path, value]];
      }));
    });
    return finals.length === 1 ? finals[0] : finals;
  }

  #prompt(index: number) {
    return this.#asked.prompts[Math.floor(index / this.#asked.choices)]!;
  }

  #final(index: number, record: GenerationRecord) {
    const { options: { maxTokens: wanted, temperature = 0, topK = 0, topP = 1, minP = 0, stop = [] } } = this.#asked;
    const { codec, context } = this.#service.engine;
    const { tokens, text, finishReason, promptTokens } = record;
    const stopType = finishReason === "eos" ? "eos" : finishReason === "stop" ? "word" : "limit";
    // An answer may be as long as the context allows: one that was to be longer ends there as at a limit of its own.
    const isCut = promptTokens.length + tokens.length >= context && tokens.length < (wanted ?? Infinity);
    return {
      index,
      content: text,
      tokens: this.#asked.returnTokens ? tokens : [],
      id_slot: 0,
      stop: true,
      model: this.#service.model,
      tokens_predicted: tokens.length,
      tokens_evaluated: promptTokens.length,
      generation_settings: {
        n_predict: wanted ?? -1,
        n_ctx: context,
        seed: choiceSeed(this.#asked.seed, index % this.#asked.choices),
        temperature,
        top_k: topK,
        top_p: topP,
        min_p: minP,
        stop,
        logit_bias: (record.sampling?.adjustments?.biases ?? []).map(([token, bias]) => ({ token, bias })),
        strategy: record.strategy,
      },
      prompt: codec.textOf(promptTokens),
      has_new_line: text.includes("\n"),
      truncated: stopType === "limit" && isCut,
      stop_type: stopType,
      tokens_cached: promptTokens.length + tokens.length - 1,
      timings: timingsOf(record),
      ...record.logprobs && this.#logprobs(tokens, record.logprobs),
    };
  }
}

function certain(token: number): TokenLogprobs {
  return { logprob: 0, top: [{ token, logprob: 0 }] };
}
