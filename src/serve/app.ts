import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { Engine } from "../engine/engine.ts";
import { assertAllowed, corsHeaders } from "./access.ts";
import { apiErrorOf } from "./answer.ts";
import { ApiError } from "./api-error.ts";
import { certifyAnswer } from "./certify.ts";
import { chatCompletion } from "./chat-completions.ts";
import { completion } from "./completions.ts";
import type { HandlerOptions } from "./options.ts";
import { nativeCompletion } from "./native-completion.ts";
import { openApi } from "./open-api.ts";
import { response } from "./responses.ts";
import { Service } from "./service.ts";
import { applyTemplate, countInputTokens, detokenize, tokenize, tokenizerInfo } from "./token-endpoints.ts";

/** The largest body of a request, in bytes: a prompt of a million tokens has as many. */
const MAX_BODY_BYTES = 2 ** 22;

/** A request and what its body says. */
type Answerer = (service: Service, request: Request, body: unknown) => Promise<Response> | Response;

const json = (answer: (service: Service, body: unknown) => unknown): Answerer => (service, _, body) =>
  Response.json(answer(service, body));

/** What is answered by a body of JSON, by path; all but llama.cpp's own are there below /v1 and without it. */
const POSTS: Readonly<Record<string, Answerer>> = {
  "/v1/chat/completions": chatCompletion,
  "/chat/completions": chatCompletion,
  "/v1/completions": completion,
  "/v1/responses": response,
  "/responses": response,
  "/v1/certify": certifyAnswer,
  "/completion": nativeCompletion,
  "/completions": nativeCompletion,
  "/v1/chat/completions/input_tokens": json(countInputTokens),
  "/chat/completions/input_tokens": json(countInputTokens),
  "/tokenize": json(tokenize),
  "/v1/tokenize": json(tokenize),
  "/detokenize": json(detokenize),
  "/v1/detokenize": json(detokenize),
  "/apply-template": json(applyTemplate),
};

/** What peers have and this server has not. */
const NOT_SUPPORTED = [
  "embedding",
  "embeddings",
  "rerank",
  "reranking",
  "audio/speech",
  "audio/transcriptions",
  "infill",
];

/** What `createHandler` gives, with all its parts loaded. */
export function createApp(engine: Engine, options: HandlerOptions): (request: Request) => Promise<Response> {
  const service = new Service(engine, options);
  const app = new Hono();
  app.use(async ({ req }, next) => {
    await assertAllowed(req.raw, options);
    await next();
  });
  app.options("*", ({ body }) => body(null, 200));
  app.use(bodyLimit({
    maxSize: MAX_BODY_BYTES,
    onError: () => {
      throw new ApiError(413, "invalid_request_error", `the body has more than ${MAX_BODY_BYTES} bytes; send less`);
    },
  }));
  for (const [path, answerer] of Object.entries(POSTS)) {
    app.post(path, async ({ req }) => await answerer(service, req.raw, await readJson(req.raw)));
  }
  const get = (paths: readonly string[], answer: () => unknown) => {
    for (const path of paths) app.get(path, ({ json }) => json(answer() as object));
  };
  for (const path of ["/health", "/v1/health"]) {
    app.get(
      path,
      ({ json }) =>
        json({ status: service.status, drafting: service.engine.drafts }, service.status === "ok" ? 200 : 503),
    );
  }
  get(["/v1/models", "/models"], () => ({ object: "list", data: [modelOf(service)] }));
  get(["/v1/models/:id{.+}"], () => modelOf(service));
  get(["/tokenizer_info", "/v1/tokenizer_info"], () => tokenizerInfo(service));
  get(["/props"], () => propsOf(service));
  get(["/slots"], () => slotsOf(service));
  get(["/openapi.json"], () => openApi(service.model));
  app.get("/metrics", async ({ body }) =>
    body(await service.metrics.text(), 200, {
      "content-type": service.metrics.contentType,
      "process-start-time-unix": `${service.created}`,
    }));
  for (const path of NOT_SUPPORTED) {
    for (const at of [`/${path}`, `/v1/${path}`]) {
      app.all(at, () => {
        throw new ApiError(501, "not_supported_error", `"${at}" is not supported by this server, which writes text`);
      });
    }
  }
  const methods = new Map<string, string>();
  for (const { method, path } of app.routes) if (method !== "ALL" && !methods.has(path)) methods.set(path, method);
  app.notFound(({ req }) => {
    const allow = methods.get(req.path);
    if (allow !== undefined) {
      const message = `${req.method} does not fit ${req.path}, which takes ${allow}; /openapi.json lists all`;
      throw new ApiError(405, "invalid_request_error", message, { allow: `${allow}, OPTIONS` });
    }
    throw new ApiError(404, "not_found_error", "there is no such endpoint; /openapi.json lists all");
  });
  app.onError((error) => {
    const told = apiErrorOf(error);
    if (told.status === 500) options.log?.(`failed: ${error.message.split("\n")[0]}`);
    return Response.json(told.body, { status: told.status, headers: told.headers });
  });
  return async (request) => {
    const response = await app.fetch(request);
    // Errors too: without these headers a page is not told what went wrong.
    for (const [name, value] of Object.entries(corsHeaders(request, options))) response.headers.set(name, value);
    return response;
  };
}

async function readJson(request: Request): Promise<unknown> {
  const text = await request.text();
  try {
    return JSON.parse(text);
  } catch (error) {
    const reason = (error as Error).message.split("\n")[0];
    throw new ApiError(400, "invalid_request_error", `the body is no JSON: ${reason}`);
  }
}

function modelOf({ model, created, engine }: Service) {
  return {
    id: model,
    object: "model",
    created,
    owned_by: "amusd",
    aliases: [model],
    tags: [],
    meta: { n_ctx_train: engine.codec.contextLength, n_ctx: engine.context, n_vocab: engine.codec.vocabulary },
  };
}

/** The texts that are kept; the newest one, the last, is worked on. */
function slotsOf({ engine, context, turns }: Service) {
  const lengths = engine.cachedLengths;
  const newest = Math.max(0, lengths.length - 1);
  return Array.from({ length: engine.slots }, (_, id) => ({
    id,
    n_ctx: context,
    is_processing: id === newest && turns.running > 0,
    speculative: engine.drafts,
    n_cached: lengths[id] ?? 0,
  }));
}

function propsOf({ model, file, engine, context }: Service) {
  const { bosText, eosText, chatTemplate } = engine.codec;
  return {
    default_generation_settings: { n_ctx: context, params: { temperature: 1, top_k: 0, top_p: 1, min_p: 0, seed: -1 } },
    total_slots: engine.slots,
    model_alias: model,
    model_path: file,
    chat_template: chatTemplate ?? "",
    bos_token: bosText ?? "",
    eos_token: eosText ?? "",
    modalities: { vision: false, audio: false },
    drafting: engine.drafts,
  };
}
