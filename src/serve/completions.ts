import type { GenerationRecord, Piece } from "../engine/generation-run.ts";
import type { TextCodec } from "../engine/text-codec.ts";
import type { TokenLogprobs } from "../util/sampling.ts";
import { answer, type Dialect, type PromptProgress } from "./answer.ts";
import { invalid } from "./api-error.ts";
import type { ServerEvent } from "./events.ts";
import { type GenerationRequest, generationRequest, type Prompt } from "./generation-request.ts";
import { completionLogprobs } from "./logprobs.ts";
import { checked } from "./schemas.ts";
import type { Service } from "./service.ts";
import { finishReasonOf, timingsOf, usageOf } from "./usage.ts";

/** The longest answer where a client gives none, as OpenAI and vLLM have it for completions. */
const DEFAULT_MAX_TOKENS = 16;

/** OpenAI's completions (platform.openai.com/docs/api-reference/completions). */
export async function completion(service: Service, request: Request, body: unknown): Promise<Response> {
  const fields = checked("Completion", body);
  const wanted = (fields.max_tokens ?? fields.n_predict ?? DEFAULT_MAX_TOKENS) as number;
  const prompts = promptsOf(service, fields.prompt);
  const top = (fields.logprobs ?? undefined) as number | undefined;
  const asked = generationRequest(service, fields, prompts, wanted < 0 ? null : wanted, top);
  return await answer(service, request, asked, new CompletionDialect(service, asked, fields.echo === true));
}

/** A prompt as clients send it: a text, tokens, both in a row, or an object with the text. */
type RequestPrompt = string | readonly (number | string)[] | { readonly prompt_string?: string };

/** The prompts of a request, one or several. Throws an ApiError for one that is none. */
export function promptsOf({ engine: { codec } }: Service, prompt: unknown): Prompt[] {
  const isOne = !Array.isArray(prompt) || prompt.some((part) => typeof part === "number");
  const all = (isOne ? [prompt] : prompt) as readonly RequestPrompt[];
  return all.map((one, i): Prompt => {
    const path = isOne ? "prompt" : `prompt[${i}]`;
    const text = typeof one === "object" && "prompt_string" in one ? one.prompt_string : one;
    if (typeof one === "object" && "multimodal_data" in one) {
      throw invalid(`${path}.multimodal_data`, "is not supported; this model reads text alone");
    }
    if (typeof text === "string") {
      const tokens = codec.encode(text, { raw: true });
      if (tokens.length === 0) throw invalid(path, "has no token; give a text");
      return { text, tokens };
    }
    if (!Array.isArray(text)) throw invalid(path, 'is no text and no list of tokens; "prompt_string" has the text');
    const tokens = text.flatMap((part, at) => {
      if (typeof part === "number") return [part];
      if (typeof part !== "string") throw invalid(`${path}[${at}]`, "is no text and no token, as its neighbours are");
      return codec.encode(part, { raw: true });
    });
    if (tokens.length === 0) throw invalid(path, "has no token; give a text");
    const stray = tokens.find((token) => token >= codec.vocabulary);
    if (stray !== undefined) throw invalid(path, `has token ${stray}; the vocabulary has ${codec.vocabulary}`);
    return { text: "", tokens };
  });
}

class CompletionDialect implements Dialect {
  readonly id = `cmpl-${crypto.randomUUID()}`;
  readonly #service: Service;
  readonly #asked: GenerationRequest;
  readonly #echo: boolean;
  readonly #created = Math.floor(Date.now() / 1000);
  /** By choice, of its prompt's tokens from the second on. */
  readonly #scores: (readonly TokenLogprobs[])[] = [];
  /** Where in its text a streamed choice goes on. */
  #at = 0;

  constructor(service: Service, asked: GenerationRequest, echo: boolean) {
    this.#service = service;
    this.#asked = asked;
    this.#echo = echo;
  }

  *begin(index: number, scores?: readonly TokenLogprobs[]): Iterable<ServerEvent> {
    if (!this.#echo) return;
    const text = this.#promptText(index);
    this.#at = text.length;
    if (scores) this.#scores[index] = scores;
    const logprobs = scores && completionLogprobs(this.#codec, this.#prompt(index).tokens, [null, ...scores], 0);
    yield this.#chunk({ index, text, ...logprobs && { logprobs } });
  }

  *progress(index: number, prompt_progress: PromptProgress): Iterable<ServerEvent> {
    yield this.#chunk({ index, text: "" }, { prompt_progress });
  }

  *piece(index: number, { text, tokens }: Piece): Iterable<ServerEvent> {
    const wantsLogprobs = this.#asked.options.logprobs !== undefined && tokens.length > 0;
    if (text === "" && !wantsLogprobs) return;
    const [ids, own] = [tokens.map(({ token }) => token), tokens.map(({ logprobs }) => logprobs!)];
    const logprobs = wantsLogprobs ? completionLogprobs(this.#codec, ids, own, this.#at) : null;
    this.#at += text.length;
    yield this.#chunk({ index, text, logprobs });
  }

  *end(index: number, record: GenerationRecord): Iterable<ServerEvent> {
    yield this.#chunk({ index, text: "", finish_reason: finishReasonOf(record) }, { timings: timingsOf(record) });
  }

  *done(records: readonly GenerationRecord[]): Iterable<ServerEvent> {
    if (this.#asked.includeUsage) {
      yield { data: { ...this.#base(), choices: [], usage: usageOf(records, this.#asked.choices) } };
    }
    yield { data: "[DONE]" };
  }

  whole(records: readonly GenerationRecord[]): unknown {
    return {
      ...this.#base(),
      choices: records.map((record, index) => ({
        text: (this.#echo ? this.#promptText(index) : "") + record.text,
        index,
        logprobs: record.logprobs && this.#wholeLogprobs(index, record.tokens, record.logprobs),
        finish_reason: finishReasonOf(record),
      })),
      usage: usageOf(records, this.#asked.choices),
      timings: timingsOf(records.at(-1)!),
    };
  }

  #wholeLogprobs(index: number, tokens: readonly number[], logprobs: readonly TokenLogprobs[]) {
    const scores = this.#scores[index];
    if (!scores) return completionLogprobs(this.#codec, tokens, logprobs, 0);
    const all = [...this.#prompt(index).tokens, ...tokens];
    return completionLogprobs(this.#codec, all, [null, ...scores, ...logprobs], 0);
  }

  #prompt(index: number): Prompt {
    return this.#asked.prompts[Math.floor(index / this.#asked.choices)]!;
  }

  #promptText(index: number): string {
    const { tokens, text } = this.#prompt(index);
    return text === "" ? this.#codec.pieces(tokens).join("") : text;
  }

  get #codec(): TextCodec {
    return this.#service.engine.codec;
  }

  #base() {
    const { model, fingerprint } = this.#service;
    return {
      id: this.id,
      object: "text_completion",
      created: this.#created,
      model,
      system_fingerprint: fingerprint,
    };
  }

  #chunk(choice: { readonly index: number; readonly text: string; readonly [field: string]: unknown }, more = {}) {
    const whole = { logprobs: null, finish_reason: null, ...choice };
    const usage = this.#asked.includeUsage ? { usage: null } : {};
    return { data: { ...this.#base(), choices: [whole], ...usage, ...more } };
  }
}
