import type { GenerationRecord, Piece } from "../engine/generation-run.ts";
import { answer, type Dialect, type PromptProgress } from "./answer.ts";
import { messagesOf, renderedPrompt, type RequestMessage } from "./chat-completions.ts";
import type { ServerEvent } from "./events.ts";
import { type Fields, type GenerationRequest, generationRequest, type Prompt } from "./generation-request.ts";
import { checked } from "./schemas.ts";
import type { Service } from "./service.ts";
import { finishReasonOf, timingsOf, usageOf } from "./usage.ts";

/** OpenAI's responses (platform.openai.com/docs/api-reference/responses), of text alone; nothing is stored. */
export async function response(service: Service, request: Request, body: unknown): Promise<Response> {
  const fields = checked("Response", body);
  const maxTokens = (fields.max_output_tokens ?? null) as number | null;
  const asked = generationRequest(service, fields, [responsePrompt(service, fields)], maxTokens);
  return await answer(service, request, asked, new ResponseDialect(service, asked, fields));
}

function responsePrompt(service: Service, { input, instructions }: Fields): Prompt {
  const items = typeof input === "string" ? [{ role: "user", content: input }] : input as readonly RequestMessage[];
  const system = typeof instructions === "string" ? [{ role: "system", content: instructions }] : [];
  const messages = [...system, ...messagesOf(items, "input")];
  return renderedPrompt(service, messages, { begins: true, begun: "", param: "input" });
}

class ResponseDialect implements Dialect {
  readonly id = `resp_${crypto.randomUUID()}`;
  readonly #message = `msg_${crypto.randomUUID()}`;
  readonly #service: Service;
  readonly #asked: GenerationRequest;
  readonly #fields: Fields;
  readonly #created = Math.floor(Date.now() / 1000);
  #events = 0;
  #text = "";

  constructor(service: Service, asked: GenerationRequest, fields: Fields) {
    this.#service = service;
    this.#asked = asked;
    this.#fields = fields;
  }

  *begin(): Iterable<ServerEvent> {
    const response = this.#response("in_progress", []);
    yield this.#event("response.created", { response });
    yield this.#event("response.in_progress", { response });
    yield this.#event("response.output_item.added", { output_index: 0, item: this.#item("in_progress", []) });
    yield this.#event("response.content_part.added", { ...this.#place(), part: this.#part("") });
  }

  *progress(_: number, prompt_progress: PromptProgress): Iterable<ServerEvent> {
    yield this.#event("response.in_progress", { response: this.#response("in_progress", []), prompt_progress });
  }

  *piece(_: number, { text }: Piece): Iterable<ServerEvent> {
    if (text === "") return;
    this.#text += text;
    yield this.#event("response.output_text.delta", { ...this.#place(), delta: text, logprobs: [] });
  }

  *end(_: number, record: GenerationRecord): Iterable<ServerEvent> {
    const part = this.#part(this.#text);
    yield this.#event("response.output_text.done", { ...this.#place(), text: this.#text, logprobs: [] });
    yield this.#event("response.content_part.done", { ...this.#place(), part });
    yield this.#event("response.output_item.done", { output_index: 0, item: this.#item("completed", [part]) });
    const response = this.whole([record]);
    const type = response.status === "completed" ? "response.completed" : "response.incomplete";
    yield this.#event(type, { response, timings: timingsOf(record) });
  }

  done(): Iterable<ServerEvent> {
    return [];
  }

  whole(records: readonly GenerationRecord[]) {
    const record = records[0]!;
    const isWhole = finishReasonOf(record) === "stop";
    const item = this.#item(isWhole ? "completed" : "incomplete", [this.#part(record.text)]);
    const { prompt_tokens, completion_tokens, total_tokens, prompt_tokens_details } = usageOf(records, 1);
    return {
      ...this.#response(isWhole ? "completed" : "incomplete", [item]),
      output_text: record.text,
      usage: {
        input_tokens: prompt_tokens,
        input_tokens_details: prompt_tokens_details,
        output_tokens: completion_tokens,
        output_tokens_details: { reasoning_tokens: 0 },
        total_tokens,
      },
    };
  }

  #response(status: "in_progress" | "completed" | "incomplete", output: readonly unknown[]) {
    const { instructions = null, max_output_tokens: maxOutputTokens = null } = this.#fields;
    const { temperature = 0, topP = 1 } = this.#asked.options;
    return {
      id: this.id,
      object: "response",
      created_at: this.#created,
      status,
      error: null,
      incomplete_details: status === "incomplete" ? { reason: "max_output_tokens" } : null,
      instructions,
      max_output_tokens: maxOutputTokens,
      model: this.#service.model,
      output,
      parallel_tool_calls: false,
      previous_response_id: null,
      store: false,
      temperature,
      text: { format: { type: "text" } },
      tool_choice: "auto",
      tools: [],
      top_p: topP,
      truncation: "disabled",
      metadata: {},
    };
  }

  #item(status: "in_progress" | "completed" | "incomplete", content: readonly unknown[]) {
    return { id: this.#message, type: "message", status, role: "assistant", content };
  }

  #part(text: string) {
    return { type: "output_text", text, annotations: [], logprobs: [] };
  }

  #place() {
    return { item_id: this.#message, output_index: 0, content_index: 0 };
  }

  #event(type: string, fields: Record<string, unknown>): ServerEvent {
    return { name: type, data: { type, sequence_number: this.#events++, ...fields } };
  }
}
