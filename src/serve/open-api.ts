import { ANSWERS, ERROR, EVENT } from "./answer-schemas.ts";
import { type RequestName, type Schema, SCHEMAS } from "./schemas.ts";

/** The requests by path, with a word on each. */
const POSTS: Readonly<Record<string, readonly [RequestName, string]>> = {
  "/v1/chat/completions": ["ChatCompletion", "Answer a conversation (OpenAI)"],
  "/v1/completions": ["Completion", "Go on with a text (OpenAI)"],
  "/v1/responses": ["Response", "Answer a conversation (OpenAI's newer form)"],
  "/completion": ["NativeCompletion", "Go on with a text (llama.cpp)"],
  "/v1/certify": ["Certify", "Whether the verify model alone writes the tokens of a record"],
  "/tokenize": ["Tokenize", "Text to tokens"],
  "/detokenize": ["Detokenize", "Tokens to text"],
  "/apply-template": ["ApplyTemplate", "A conversation as the prompt that it makes"],
  "/v1/chat/completions/input_tokens": ["ApplyTemplate", "How many tokens that prompt has"],
};

/** The paths whose answers may be wanted as a stream. */
const STREAMED = ["/v1/chat/completions", "/v1/completions", "/v1/responses", "/completion"];

const GETS: Readonly<Record<string, string>> = {
  "/health": "Whether the server answers, and whether it drafts",
  "/v1/models": "The model",
  "/tokenizer_info": "The tokenizer's special tokens and the chat template",
  "/props": "How the server was started",
  "/slots": "What the server works on",
  "/metrics": "Figures in Prometheus's text format",
};

/** Why a request is not answered, by status. */
const REFUSALS: Readonly<Record<string, string>> = {
  "400": "The request can't be answered; the error says why",
  "401": "The API key is missing or wrong",
  "403": "The server is not called by a name of its machine",
  "413": "The body is too large",
  "429": "Too many requests wait; Retry-After says when to come back",
  "503": "The device was lost",
  "504": "The answer took longer than the server allows",
};

const GET_REFUSALS = ["401", "403"];

/** The server's interface as OpenAPI 3.1 has it, of the schemas by which requests are checked. */
export function openApi(version: string): unknown {
  const json = (schema: Schema) => ({ "application/json": { schema } });
  const error = json({ $ref: "#/components/schemas/Error" });
  const refused = (statuses: readonly string[]) =>
    Object.fromEntries(statuses.map((status) => [status, { description: REFUSALS[status], content: error }]));
  const answered = (path: string) => {
    const schema = ANSWERS[path];
    const content = schema ? json(schema) : { "text/plain": { schema: { type: "string" } } };
    const isStreamed = STREAMED.includes(path);
    return {
      description: isStreamed ? 'The answer; with "stream" its events' : "The answer",
      content: { ...content, ...isStreamed && { "text/event-stream": { schema: EVENT } } },
    };
  };
  const paths: Record<string, unknown> = {};
  for (const [path, [name, summary]] of Object.entries(POSTS)) {
    const schema = { $ref: `#/components/schemas/${name}` };
    paths[path] = {
      post: {
        summary,
        requestBody: { required: true, content: json(schema) },
        responses: { "200": answered(path), ...refused(Object.keys(REFUSALS)) },
      },
    };
  }
  for (const [path, summary] of Object.entries(GETS)) {
    paths[path] = { get: { summary, responses: { "200": answered(path), ...refused(GET_REFUSALS) } } };
  }
  return {
    openapi: "3.1.0",
    info: { title: "amusd", version },
    paths,
    components: { schemas: { ...SCHEMAS, Error: ERROR } },
  };
}
