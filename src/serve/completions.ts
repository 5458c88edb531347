import type { GenerationRecord, Piece } from "../engine/generation-run.ts";
import { answer, type Dialect } from "./answer.ts";
import { invalid } from "./api-error.ts";
import type { ServerEvent } from "./events.ts";
import { type GenerationRequest, generationRequest, type Prompt } from "./generation-request.ts";
import { checked } from "./schemas.ts";
import type { Service } from "./service.ts";
import { finishReasonOf, timingsOf, usageOf } from "./usage.ts";

/** The longest answer where a client gives none, as OpenAI and vLLM have it for completions. */
const DEFAULT_MAX_TOKENS = 16;

/** OpenAI's completions (platform.openai.com/docs/api-reference/completions). */
export async function completion(service: Service, request: Request, body: unknown): Promise<Response> {
  const fields = checked("Completion", body);
  const wanted = (fields.max_tokens ?? fields.n_predict ?? DEFAULT_MAX_TOKENS) as number;
  const asked = generationRequest(fields, promptsOf(service, fields.prompt), wanted < 0 ? null : wanted);
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
    if (typeof text === "string") {
      const tokens = codec.encode(text, { raw: true });
      if (tokens.length === 0) throw invalid(path, "has no token; give a text");
      return { text, tokens };
    }
    if (!Array.isArray(text)) throw invalid(path, 'is no text and no list of tokens; "prompt_string" has the text');
    const tokens = text.flatMap((part) => typeof part === "number" ? [part] : codec.encode(part, { raw: true }));
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

  constructor(service: Service, asked: GenerationRequest, echo: boolean) {
    this.#service = service;
    this.#asked = asked;
    this.#echo = echo;
  }

  *begin(index: number): Iterable<ServerEvent> {
    if (this.#echo) yield this.#chunk({ index, text: this.#promptText(index) });
  }

  *piece(index: number, { text }: Piece): Iterable<ServerEvent> {
    if (text !== "") yield this.#chunk({ index, text });
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
        logprobs: null,
        finish_reason: finishReasonOf(record),
      })),
      usage: usageOf(records, this.#asked.choices),
      timings: timingsOf(records.at(-1)!),
    };
  }

  #promptText(index: number): string {
    const { tokens, text } = this.#asked.prompts[Math.floor(index / this.#asked.choices)]!;
    return text === "" ? this.#service.engine.codec.pieces(tokens).join("") : text;
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

  #chunk(choice: { readonly index: number; readonly text: string; readonly finish_reason?: string }, more = {}) {
    const whole = { logprobs: null, finish_reason: null, ...choice };
    const usage = this.#asked.includeUsage ? { usage: null } : {};
    return { data: { ...this.#base(), choices: [whole], ...usage, ...more } };
  }
}
