import { Ajv2020, type ErrorObject, type ValidateFunction } from "ajv/dist/2020.js";
import { STRATEGIES } from "../engine/generation-run.ts";
import { MAX_BIASES } from "../kernels/sampling/adjust.ts";
import { TOP_LOGPROBS } from "../util/sampling.ts";
import { ApiError, invalid } from "./api-error.ts";

/** A JSON schema (draft 2020-12). The schemas here check the requests, and are those of /openapi.json. */
export type Schema = Readonly<Record<string, unknown>>;

const text = { type: "string" };
const flag = { type: ["boolean", "null"] };
const number = (minimum: number, maximum: number) => ({ type: ["number", "null"], minimum, maximum });
const whole = (minimum: number, maximum?: number) => ({ type: ["integer", "null"], minimum, maximum });
const object = (properties: Record<string, unknown>, required: readonly string[] = []) => ({
  type: "object",
  properties,
  required,
});
/** Token ids fit 32 bits. */
const token = { type: "integer", minimum: 0, maximum: 2 ** 32 - 1 };

/** The longest list of a request: of messages, stop texts or token ids. */
const MAX_ITEMS = 2 ** 20;
/** OpenAI takes four stop texts; one for each of a format's roles and tags is more. */
const MAX_STOPS = 64;
/** The most answers to one prompt, as OpenAI has it. */
const MAX_CHOICES = 128;

const stop = { type: ["string", "array", "null"], minLength: 1, maxItems: MAX_STOPS, items: { ...text, minLength: 1 } };

/** Biases by tokens: {"15": -100}, or [[15, -100], ["text", false]] as llama.cpp has it; false forbids. */
const logitBias = {
  type: ["object", "array", "null"],
  maxItems: MAX_BIASES,
  maxProperties: MAX_BIASES,
  additionalProperties: { type: "number" },
  items: {
    type: "array",
    minItems: 2,
    maxItems: 2,
    prefixItems: [{ type: ["integer", "string"] }, { type: ["number", "boolean"] }],
  },
};

/** What all requests for text may say of how it is written. */
const writing = {
  model: { type: ["string", "null"] },
  stream: flag,
  stream_options: { type: ["object", "null"], properties: { include_usage: flag } },
  temperature: number(0, 1e6),
  top_p: { type: ["number", "null"], exclusiveMinimum: 0, maximum: 1 },
  top_k: { type: ["integer", "null"], minimum: -1, maximum: 2 ** 32 - 1 },
  min_p: { type: ["number", "null"], minimum: 0, exclusiveMaximum: 1 },
  seed: { type: ["integer", "null"] },
  stop,
  logit_bias: logitBias,
  ignore_eos: flag,
  presence_penalty: number(-1e6, 1e6),
  frequency_penalty: number(-1e6, 1e6),
  repetition_penalty: { type: ["number", "null"], exclusiveMinimum: 0 },
  n: whole(1, MAX_CHOICES),
  strategy: { enum: [...Object.keys(STRATEGIES), null] },
  launch: { type: ["string", "null"] },
  draft: flag,
  cache_prompt: flag,
  return_tokens: flag,
  return_progress: flag,
  provenance: flag,
  timings_per_token: flag,
  trace: flag,
};

const message = object({
  role: { enum: ["system", "developer", "user", "assistant", "tool", "function"] },
  content: {
    type: ["string", "array", "null"],
    items: { ...object({ type: text, text }, ["type"]) },
  },
  name: { type: ["string", "null"] },
}, ["role"]);

const messages = { type: "array", minItems: 1, maxItems: MAX_ITEMS, items: message };

const prediction = {
  type: ["object", "null"],
  properties: {
    type: { const: "content" },
    content: { type: ["string", "array"], items: { ...object({ type: text, text }, ["type"]) } },
  },
  required: ["type", "content"],
};

/** How an answer was drawn, as records have it. */
const sampling = object({
  temperature: { type: "number", minimum: 0 },
  topK: { type: "integer", minimum: 0 },
  topP: { type: "number" },
  minP: { type: "number" },
  seed: { type: "integer", minimum: 0 },
  adjustments: object({
    biases: {
      type: "array",
      maxItems: MAX_BIASES,
      items: { type: "array", minItems: 2, maxItems: 2, prefixItems: [token, { type: ["number", "null"] }] },
    },
    window: { type: "integer", minimum: 0 },
    countedFrom: { type: "integer", minimum: 0 },
    repetition: { type: "number", exclusiveMinimum: 0 },
    presence: { type: "number" },
    frequency: { type: "number" },
  }, ["biases", "countedFrom", "repetition", "presence", "frequency"]),
}, ["temperature", "topK", "topP", "minP", "seed"]);

/** A text, the ids of its tokens, or several of either. */
const prompt = {
  type: ["string", "array", "object"],
  minItems: 1,
  maxItems: MAX_ITEMS,
  items: {
    anyOf: [text, token, { type: "array", maxItems: MAX_ITEMS, items: { anyOf: [token, text] } }, { type: "object" }],
  },
  properties: { prompt_string: text },
};

/** The requests by the name of what they ask for. */
export const SCHEMAS = {
  ChatCompletion: object({
    ...writing,
    messages,
    max_tokens: whole(1),
    max_completion_tokens: whole(1),
    prediction,
    logprobs: flag,
    top_logprobs: whole(0, TOP_LOGPROBS),
    add_generation_prompt: flag,
    continue_final_message: flag,
  }, ["messages"]),
  Completion: object({
    ...writing,
    prompt,
    max_tokens: whole(1),
    n_predict: whole(-1),
    logprobs: whole(0, TOP_LOGPROBS),
    echo: flag,
  }, ["prompt"]),
  NativeCompletion: object({
    ...writing,
    prompt,
    n_predict: whole(-1),
    max_tokens: whole(-1),
    n_probs: whole(0, TOP_LOGPROBS),
    post_sampling_probs: flag,
    repeat_penalty: { type: ["number", "null"], exclusiveMinimum: 0 },
    repeat_last_n: whole(-1),
    response_fields: { type: "array", items: text },
  }, ["prompt"]),
  Response: object({
    ...writing,
    input: {
      type: ["string", "array"],
      minItems: 1,
      maxItems: MAX_ITEMS,
      items: object({
        type: { enum: ["message"] },
        role: { enum: ["system", "developer", "user", "assistant"] },
        content: { type: ["string", "array"], items: object({ type: text, text }, ["type"]) },
      }, ["role", "content"]),
    },
    instructions: { type: ["string", "null"] },
    max_output_tokens: whole(1),
  }, ["input"]),
  Tokenize: object({
    content: text,
    prompt: text,
    add_special: flag,
    add_special_tokens: flag,
    parse_special: flag,
    with_pieces: flag,
  }),
  Detokenize: object({ tokens: { type: "array", maxItems: MAX_ITEMS, items: token } }, ["tokens"]),
  Certify: object({
    promptTokens: { type: "array", minItems: 1, maxItems: MAX_ITEMS, items: token },
    tokens: { type: "array", minItems: 1, maxItems: MAX_ITEMS, items: token },
    sampling: { ...sampling, type: ["object", "null"] },
    modelHash: text,
  }, ["promptTokens", "tokens", "sampling", "modelHash"]),
  ApplyTemplate: object({ messages, add_generation_prompt: flag, continue_final_message: flag }, ["messages"]),
} as const satisfies Record<string, Schema>;

/** The name of a kind of request. */
export type RequestName = keyof typeof SCHEMAS;

/**
 * Fields that would change the text and are not there yet, with the values under which they change nothing. They are
 * refused by name: an answer that silently does without them would be a wrong one.
 */
const REFUSED: Readonly<Record<string, readonly unknown[]>> = {
  tools: [[]],
  functions: [[]],
  tool_choice: ["none", "auto"],
  function_call: ["none", "auto"],
  response_format: [{ type: "text" }],
  json_schema: [],
  grammar: [""],
  guided_json: [],
  guided_regex: [],
  guided_choice: [],
  guided_grammar: [],
  structured_outputs: [],
  audio: [],
  suffix: [""],
  best_of: [1],
  repeat_penalty: [1],
  logprobs: [false],
  top_logprobs: [0],
  post_sampling_probs: [false],
  n_probs: [0],
  typical_p: [1],
  mirostat: [0],
  dynatemp_range: [0],
  xtc_probability: [0],
  dry_multiplier: [0],
  top_n_sigma: [-1],
  lora: [[]],
  previous_response_id: [],
  conversation: [],
};

const ajv = new Ajv2020({ allowUnionTypes: true });
const validators = new Map<RequestName, ValidateFunction>();

/**
 * The body as a request of this kind. Throws an ApiError (400) that names the first field that is wrong, or that asks
 * for what this server doesn't do.
 */
export function checked(name: RequestName, body: unknown): Readonly<Record<string, unknown>> {
  let validate = validators.get(name);
  if (!validate) validators.set(name, validate = ajv.compile(SCHEMAS[name]));
  if (!validate(body)) throw fieldError(validate.errors![0]!);
  const fields = body as Readonly<Record<string, unknown>>;
  for (const [field, neutral] of Object.entries(REFUSED)) {
    const value = fields[field] ?? null;
    if (value === null || neutral.some((one) => JSON.stringify(one) === JSON.stringify(value))) continue;
    if (field in SCHEMAS[name].properties) continue;
    throw invalid(field, "is not supported by this server; leave it out");
  }
  return fields;
}

/** "/messages/0/content" as a person writes it, "messages[0].content". */
function fieldError({ instancePath, message, params }: ErrorObject): ApiError {
  const path = instancePath.slice(1).replace(/\/(\d+)/g, "[$1]").replaceAll("/", ".");
  if (typeof params.missingProperty === "string") {
    return invalid(path === "" ? params.missingProperty : `${path}.${params.missingProperty}`, "is missing");
  }
  if (path === "") return new ApiError(400, "invalid_request_error", "the body is no JSON object");
  const allowed = Array.isArray(params.allowedValues) ? `: ${params.allowedValues.filter(Boolean).join(", ")}` : "";
  return invalid(path, `${message}${allowed}`);
}
