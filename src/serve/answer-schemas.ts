import type { Schema } from "./schemas.ts";

const text = { type: "string" };
const number = { type: "number" };
const count = { type: "integer", minimum: 0 };
const flag = { type: "boolean" };
const textOrNull = { type: ["string", "null"] };
const list = (items: Schema) => ({ type: "array", items });

/** An object that has at least these fields. */
const object = (properties: Record<string, unknown>) => ({
  type: "object",
  properties,
  required: Object.keys(properties),
});

const tokens = list(count);
const finishReason = { enum: ["stop", "length"] };
const objectOrNull = { type: ["object", "null"] };

const usage = object({
  prompt_tokens: count,
  completion_tokens: count,
  total_tokens: count,
  prompt_tokens_details: object({ cached_tokens: count }),
  completion_tokens_details: object({ accepted_prediction_tokens: count, rejected_prediction_tokens: count }),
});

const timings = object({
  cache_n: count,
  prompt_n: count,
  prompt_ms: number,
  predicted_n: count,
  predicted_ms: number,
  draft_n: count,
  draft_n_accepted: count,
});

/** What all of OpenAI's answers begin with. */
const base = (kind: string) => ({ id: text, object: { const: kind }, created: count, model: text });

const model = object({ id: text, object: { const: "model" }, created: count, owned_by: text });

const nativeAnswer = object({
  index: count,
  content: text,
  tokens,
  stop: flag,
  model: text,
  tokens_predicted: count,
  tokens_evaluated: count,
  generation_settings: object({ n_predict: { type: "integer" }, n_ctx: count, seed: count, temperature: number }),
  prompt: text,
  truncated: flag,
  stop_type: { enum: ["eos", "word", "limit"] },
  timings,
});

/** Every error, whatever its status. */
export const ERROR: Schema = object({
  error: object({ message: text, type: text, param: textOrNull, code: textOrNull }),
});

/** An event of a stream; `data` is JSON, or "[DONE]". */
export const EVENT: Schema = { type: "object", properties: { event: text, data: text }, required: ["data"] };

/** What is answered, whole, by the path of the request; a path that is not here answers text. */
export const ANSWERS: Readonly<Record<string, Schema>> = {
  "/v1/chat/completions": object({
    ...base("chat.completion"),
    choices: list(object({
      index: count,
      message: object({ role: { const: "assistant" }, content: text, refusal: textOrNull }),
      logprobs: objectOrNull,
      finish_reason: finishReason,
    })),
    usage,
    timings,
  }),
  "/v1/completions": object({
    ...base("text_completion"),
    choices: list(object({ index: count, text, finish_reason: finishReason })),
    usage,
    timings,
  }),
  "/v1/responses": object({
    id: text,
    object: { const: "response" },
    created_at: count,
    status: { enum: ["completed", "incomplete"] },
    model: text,
    output: list(object({ id: text, type: { const: "message" }, content: list(object({ type: text, text })) })),
    output_text: text,
    usage: object({ input_tokens: count, output_tokens: count, total_tokens: count }),
  }),
  // llama.cpp's answer to one prompt; a list of them for several; of the wanted fields alone, where some were named.
  "/completion": { anyOf: [nativeAnswer, list({ type: "object" }), { type: "object" }] },
  "/v1/certify": { type: "object" },
  "/tokenize": object({ tokens: list({ type: ["integer", "object"] }) }),
  "/detokenize": object({ content: text, prompt: text }),
  "/apply-template": object({ prompt: text }),
  "/v1/chat/completions/input_tokens": object({ input_tokens: count }),
  "/health": object({ status: { enum: ["ok", "restarting", "lost"] }, drafting: flag }),
  "/v1/models": object({ object: { const: "list" }, data: list(model) }),
  "/tokenizer_info": object({ bos_token: textOrNull, eos_token: textOrNull, chat_template: textOrNull }),
  "/props": object({ default_generation_settings: { type: "object" }, total_slots: count, model_path: text }),
  "/slots": list(object({ id: count, n_ctx: count, is_processing: flag })),
};
