import type { GenerationRecord, Piece } from "../engine/generation-run.ts";
import { chromeTrace } from "../spec/trace/chrome-trace.ts";
import type { ChatMessage } from "../tokenizer/chat-template.ts";
import { answer, type Dialect, type PromptProgress } from "./answer.ts";
import { ApiError, invalid } from "./api-error.ts";
import type { ServerEvent } from "./events.ts";
import { type Fields, type GenerationRequest, generationRequest, type Prompt } from "./generation-request.ts";
import { chatLogprobs } from "./logprobs.ts";
import { checked } from "./schemas.ts";
import type { Service } from "./service.ts";
import type { TokenLogprobs } from "../util/sampling.ts";
import { finishReasonOf, timingsOf, usageOf } from "./usage.ts";

/** OpenAI's chat completions (platform.openai.com/docs/api-reference/chat), with llama.cpp's fields besides. */
export async function chatCompletion(service: Service, request: Request, body: unknown): Promise<Response> {
  const fields = checked("ChatCompletion", body);
  const prompt = chatPrompt(service, fields);
  const maxTokens = (fields.max_completion_tokens ?? fields.max_tokens ?? null) as number | null;
  const { logprobs, top_logprobs: top } = fields;
  if (typeof top === "number" && top > 0 && !logprobs) throw invalid("top_logprobs", 'wants "logprobs" to be true');
  const asked = generationRequest(
    service,
    fields,
    [prompt],
    maxTokens,
    logprobs ? (top as number | null) ?? 0 : undefined,
  );
  return await answer(service, request, asked, new ChatDialect(service, asked));
}

/** The prompt that a conversation makes. Throws an ApiError where a message can't be read, or the template refuses. */
export function chatPrompt(service: Service, fields: Fields): Prompt {
  const messages = messagesOf(fields.messages as readonly RequestMessage[], "messages");
  const { continue_final_message: goesOn, add_generation_prompt: begins } = fields;
  if (goesOn && begins) {
    throw invalid("continue_final_message", 'and "add_generation_prompt" exclude each other; leave one out');
  }
  const endsWithAnswer = messages.at(-1)!.role === "assistant";
  if (goesOn && !endsWithAnswer) {
    throw invalid("continue_final_message", "is for messages that end with an assistant's");
  }
  if (endsWithAnswer && messages.at(-2)?.role === "assistant") {
    throw invalid("messages", "end with two or more of the assistant; one may be gone on with");
  }
  // An answer at the end is the beginning of the one that is asked for, as llama.cpp takes it.
  const begun = endsWithAnswer && goesOn !== false ? messages.pop()!.content as string : "";
  return renderedPrompt(service, messages, { begins: begun !== "" || begins !== false, begun, param: "messages" });
}

/**
 * The prompt that messages make in the chat template, with the answer's beginning if `begins`, and what it has `begun`
 * with. Throws an ApiError about the field `param` where the template refuses them.
 */
export function renderedPrompt(
  { engine: { codec } }: Service,
  messages: readonly ChatMessage[],
  { begins, begun, param }: { readonly begins: boolean; readonly begun: string; readonly param: string },
): Prompt {
  try {
    const text = codec.render(messages, { addGenerationPrompt: begins }) + begun;
    return { text, tokens: codec.encodeRendered(text) };
  } catch (error) {
    throw new ApiError(400, "invalid_request_error", (error as Error).message, { param });
  }
}

/** A message as clients send it. */
export interface RequestMessage {
  readonly role: string;
  readonly content?: string | null | readonly { readonly type: string; readonly text?: string }[];
}

/** The messages with their texts, and their other fields as they are; parts of a text are joined as llama.cpp does. */
export function messagesOf(messages: readonly RequestMessage[], param: string): ChatMessage[] {
  return messages.map(({ role, content, ...fields }, i) => {
    const path = `${param}[${i}].content`;
    if (content === undefined && role !== "assistant") throw invalid(path, "is missing");
    return { ...fields, role: role === "developer" ? "system" : role, content: contentText(content ?? "", path) };
  });
}

/** The text of a content, or of its parts. Throws an ApiError for a part that is no text. */
function contentText(
  content: string | readonly { readonly type: string; readonly text?: string }[],
  path: string,
): string {
  if (typeof content === "string") return content;
  return content.map(({ type, text }, i) => {
    if (!["text", "input_text", "output_text"].includes(type)) {
      throw invalid(`${path}[${i}].type`, `is "${type.slice(0, 40)}"; this model reads text alone`);
    }
    if (text === undefined) throw invalid(`${path}[${i}].text`, "is missing");
    return text;
  }).join("\n\n");
}

class ChatDialect implements Dialect {
  readonly id = `chatcmpl-${crypto.randomUUID()}`;
  readonly #service: Service;
  readonly #asked: GenerationRequest;
  readonly #created = Math.floor(Date.now() / 1000);

  constructor(service: Service, asked: GenerationRequest) {
    this.#service = service;
    this.#asked = asked;
  }

  *begin(index: number): Iterable<ServerEvent> {
    yield this.#chunk({ index, delta: { role: "assistant", content: null } });
  }

  *progress(index: number, prompt_progress: PromptProgress): Iterable<ServerEvent> {
    yield this.#chunk({ index, delta: { role: "assistant", content: null } }, { prompt_progress });
  }

  *piece(index: number, { text, tokens }: Piece): Iterable<ServerEvent> {
    const { returnTokens, provenance } = this.#asked;
    const wantsTokens = returnTokens || provenance || this.#asked.options.logprobs !== undefined;
    if (text === "" && !(tokens.length > 0 && wantsTokens)) return;
    yield this.#chunk({
      index,
      delta: { content: text },
      ...this.#logprobs(tokens.map(({ token }) => token), tokens.map(({ logprobs }) => logprobs!)),
      ...returnTokens && { tokens: tokens.map(({ token }) => token) },
      ...provenance && { provenance: tokens.map(({ token, text, origin }) => ({ token, text, origin })) },
    });
  }

  *end(index: number, record: GenerationRecord): Iterable<ServerEvent> {
    yield this.#chunk({ index, delta: {}, finish_reason: finishReasonOf(record) }, {
      timings: timingsOf(record),
      ...record.events.length > 0 && { trace: chromeTrace(record.events) },
    });
  }

  *done(records: readonly GenerationRecord[]): Iterable<ServerEvent> {
    if (this.#asked.includeUsage) {
      const usage = usageOf(records, this.#asked.choices);
      yield {
        data: { ...this.#base("chat.completion.chunk"), choices: [], usage, timings: timingsOf(records.at(-1)!) },
      };
    }
    yield { data: "[DONE]" };
  }

  whole(records: readonly GenerationRecord[]): unknown {
    const { returnTokens, choices } = this.#asked;
    return {
      ...this.#base("chat.completion"),
      choices: records.map((record, index) => ({
        index,
        message: { role: "assistant", content: record.text, refusal: null },
        logprobs: null,
        ...record.logprobs && this.#logprobs(record.tokens, record.logprobs),
        finish_reason: finishReasonOf(record),
        ...returnTokens && { tokens: record.tokens },
      })),
      usage: usageOf(records, choices),
      timings: timingsOf(records.at(-1)!),
    };
  }

  #logprobs(tokens: readonly number[], logprobs: readonly TokenLogprobs[]) {
    if (this.#asked.options.logprobs === undefined || tokens.length === 0) return {};
    return { logprobs: { content: chatLogprobs(this.#service.engine.codec, tokens, logprobs), refusal: null } };
  }

  #base(object: string) {
    const { model, fingerprint } = this.#service;
    return { id: this.id, object, created: this.#created, model, system_fingerprint: fingerprint };
  }

  #chunk(choice: { readonly index: number; readonly delta: unknown; readonly [field: string]: unknown }, more = {}) {
    const whole = { finish_reason: null, logprobs: null, ...choice };
    const usage = this.#asked.includeUsage ? { usage: null } : {};
    return { data: { ...this.#base("chat.completion.chunk"), choices: [whole], ...usage, ...more } };
  }
}
