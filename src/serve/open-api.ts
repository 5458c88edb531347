import { type RequestName, SCHEMAS } from "./schemas.ts";

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

const GETS: Readonly<Record<string, string>> = {
  "/health": "Whether the server answers, and whether it drafts",
  "/v1/models": "The model",
  "/tokenizer_info": "The tokenizer's special tokens and the chat template",
  "/props": "How the server was started",
  "/slots": "What the server works on",
  "/metrics": "Figures in Prometheus's text format",
};

/** The server's interface as OpenAPI 3.1 has it, of the schemas by which requests are checked. */
export function openApi(version: string): unknown {
  const refused = { description: "The request can't be answered; the error says why" };
  const answers = (more = {}) => ({ "200": { description: "The answer" }, ...more });
  const paths: Record<string, unknown> = {};
  for (const [path, [name, summary]] of Object.entries(POSTS)) {
    const schema = { $ref: `#/components/schemas/${name}` };
    paths[path] = {
      post: {
        summary,
        requestBody: { required: true, content: { "application/json": { schema } } },
        responses: answers({ "400": refused, "401": refused, "413": refused, "429": refused }),
      },
    };
  }
  for (const [path, summary] of Object.entries(GETS)) paths[path] = { get: { summary, responses: answers() } };
  return {
    openapi: "3.1.0",
    info: { title: "amusd", version },
    paths,
    components: { schemas: SCHEMAS },
  };
}
