// The server as its clients meet it: requests go in, answers come out, on simulated lanes.

import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { createHandler } from "../../src/serve/handler.ts";
import type { HandlerOptions } from "../../src/serve/options.ts";
import { CONTEXT, simulatedEngine, type SimulatedEngineOptions, textAfter } from "./simulated-engine.ts";

// deno-lint-ignore no-explicit-any
type Json = any;

async function serverOf(options: HandlerOptions = {}, engineOptions: SimulatedEngineOptions = {}) {
  const engine = await simulatedEngine(engineOptions);
  const handler = createHandler(engine, options);
  const send = (method: string, path: string, body?: unknown, init: RequestInit = {}) =>
    handler(
      new Request(`http://localhost${path}`, {
        method,
        body: body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body),
        ...init,
      }),
    );
  const post = async (path: string, body: unknown, init?: RequestInit): Promise<{ status: number; body: Json }> => {
    const response = await send("POST", path, body, init);
    return { status: response.status, body: await response.json() };
  };
  /** The events' data of a stream. */
  const stream = async (path: string, body: Record<string, unknown>): Promise<Json[]> => {
    const response = await send("POST", path, { ...body, stream: true });
    assert.match(response.headers.get("content-type")!, /^text\/event-stream/);
    return (await response.text()).split("\n").filter((line) => line.startsWith("data: ")).map((line) =>
      line === "data: [DONE]" ? "[DONE]" : JSON.parse(line.slice(6))
    );
  };
  return { engine, send, post, stream };
}

const MESSAGES = [{ role: "user", content: "Hello" }];
const chat = (more = {}) => ({ messages: MESSAGES, max_tokens: 12, temperature: 0, ...more });

test("a chat's answer is the model's own, whole and as a stream, by every strategy", async () => {
  const { engine, post, stream } = await serverOf();
  const wanted = await textAfter(engine, engine.codec.encodeChat(MESSAGES), 12);
  for (const strategy of ["greedy", "sd", "amusd", undefined]) {
    const { status, body } = await post("/v1/chat/completions", chat({ strategy }));
    assert.is(status, 200);
    assert.equal(body.choices.length, 1);
    assert.is(body.choices[0].message.content, wanted);
    assert.is(body.choices[0].finish_reason, "length");
    const events = await stream("/v1/chat/completions", chat({ strategy }));
    assert.is(events.pop(), "[DONE]");
    assert.equal(events[0].choices[0].delta, { role: "assistant", content: null });
    assert.equal(events.at(-1).choices[0].delta, {});
    assert.is(events.at(-1).choices[0].finish_reason, "length");
    assert.is(events.slice(1).map(({ choices }) => choices[0].delta.content ?? "").join(""), wanted);
    assert.is(new Set(events.map(({ id }) => id)).size, 1);
  }
});

test("completions go on with a text, or with tokens, one or several", async () => {
  const { engine, post, stream } = await serverOf();
  const tokens = engine.codec.encode("One", { raw: true });
  const one = await textAfter(engine, tokens, 5);
  const two = await textAfter(engine, engine.codec.encode("Two", { raw: true }), 5);
  const body = { max_tokens: 5, temperature: 0 };
  const texts = async (prompt: unknown, more = {}) => {
    const { body: { choices } } = await post("/v1/completions", { ...body, prompt, ...more });
    return choices.map(({ text }: Json) => text);
  };
  assert.equal(await texts("One"), [one]);
  assert.equal(await texts(tokens), [one]);
  assert.equal(await texts(["One", "Two"]), [one, two]);
  assert.equal(await texts([tokens, "Two"]), [one, two]);
  assert.equal(await texts("One", { echo: true }), [`One${one}`]);
  const events = await stream("/v1/completions", { ...body, prompt: "One" });
  assert.is(events.slice(0, -2).map(({ choices }) => choices[0].text).join(""), one);
});

test("llama.cpp's completion has its form, whole and as a stream of one event a token", async () => {
  const { engine, post, stream } = await serverOf();
  const wanted = await textAfter(engine, engine.codec.encode("One", { raw: true }), 6);
  const { body } = await post("/completion", { prompt: "One", n_predict: 6, temperature: 0, return_tokens: true });
  assert.is(body.content, wanted);
  assert.is(body.tokens.length, 6);
  assert.is(body.stop_type, "limit");
  assert.is(body.truncated, false);
  assert.is(body.timings.predicted_n, 6);
  const events = await stream("/completion", { prompt: "One", n_predict: 6, temperature: 0 });
  assert.equal(events.slice(0, -1).map(({ tokens }) => tokens.length), Array(6).fill(1));
  assert.is(events.map(({ content }) => content).join(""), wanted);
  assert.is(events.at(-1).stop, true);
  const { body: all } = await post("/completion", { prompt: "One", temperature: 0 });
  assert.equal([all.tokens_predicted, all.truncated, all.stop_type], [CONTEXT - 3, true, "limit"]);
  const { body: exact } = await post("/completion", { prompt: "One", temperature: 0, n_predict: CONTEXT - 3 });
  assert.equal([exact.tokens_predicted, exact.truncated], [CONTEXT - 3, false]);
  const { body: some } = await post("/completion", {
    prompt: "One",
    n_predict: 6,
    temperature: 0,
    response_fields: ["content", "generation_settings/n_predict"],
  });
  assert.equal(some, { "content": wanted, "generation_settings/n_predict": 6 });
});

test("responses have typed events from created to completed, with the text in all of them", async () => {
  const { engine, post, stream } = await serverOf();
  const wanted = await textAfter(engine, engine.codec.encodeChat(MESSAGES), 6);
  const asked = { input: "Hello", max_output_tokens: 6, temperature: 0 };
  assert.is((await post("/v1/responses", asked)).body.output[0].content[0].text, wanted);
  const events = await stream("/v1/responses", asked);
  assert.equal(events.map(({ sequence_number: number }) => number), events.map((_, i) => i));
  assert.is(events[0].type, "response.created");
  assert.is(events.at(-1).type, "response.incomplete");
  assert.is(events.filter(({ type }) => type.endsWith(".delta")).map(({ delta }) => delta).join(""), wanted);
  assert.is(events.at(-1).response.output_text, wanted);
});

test("usage counts the prompt once, all answers, and what the cache held", async () => {
  const { post, stream } = await serverOf();
  const first = (await post("/v1/chat/completions", chat())).body;
  assert.is(first.usage.prompt_tokens_details.cached_tokens, 0);
  const { usage, timings } = (await post("/v1/chat/completions", chat({ n: 2 }))).body;
  assert.is(usage.prompt_tokens, first.usage.prompt_tokens);
  assert.is(usage.completion_tokens, 24);
  assert.is(usage.total_tokens, usage.prompt_tokens + 24);
  // All but the last token, which is fed for what follows it.
  assert.is(usage.prompt_tokens_details.cached_tokens, usage.prompt_tokens - 1);
  assert.is(timings.cache_n + timings.prompt_n, usage.prompt_tokens);
  assert.is((await post("/v1/chat/completions", chat({ cache_prompt: false }))).body.timings.cache_n, 0);
  const events = await stream("/v1/chat/completions", chat({ stream_options: { include_usage: true } }));
  assert.equal(events.at(-2).choices, []);
  assert.is(events.at(-2).usage.completion_tokens, 12);
  assert.ok(events.slice(0, -2).every((event) => event.usage === null));
});

test("the drafts of the draft model and of a prediction count as accepted and rejected predictions", async () => {
  const { engine, post } = await serverOf();
  const wanted = await textAfter(engine, engine.codec.encodeChat(MESSAGES), 40);
  const details = async (more: unknown) => {
    const { body } = await post("/v1/chat/completions", { ...chat({ max_tokens: 40 }), ...more as object });
    assert.is(body.choices[0].message.content, wanted);
    return body.usage.completion_tokens_details;
  };
  assert.equal(await details({ draft: false }), { accepted_prediction_tokens: 0, rejected_prediction_tokens: 0 });
  assert.ok((await details({ strategy: "sd" })).accepted_prediction_tokens > 10);
  const right = await details({ strategy: "sd", prediction: { type: "content", content: wanted } });
  assert.ok(right.accepted_prediction_tokens >= 28, `${right.accepted_prediction_tokens}`);
  const wrong = await details({ strategy: "sd", prediction: { type: "content", content: "?".repeat(40) } });
  // The text may repeat itself by chance.
  assert.ok(wrong.accepted_prediction_tokens < 5, `${wrong.accepted_prediction_tokens}`);
});

test("each token's origin comes with its text on request", async () => {
  const { stream } = await serverOf();
  const events = await stream("/v1/chat/completions", chat({ provenance: true, strategy: "sd" }));
  const parts = events.filter((event) => event.choices?.[0]?.provenance).map(({ choices: [choice] }) => choice);
  for (const { delta, provenance } of parts) {
    assert.is(provenance.map(({ text }: Json) => text).join(""), delta.content);
  }
  assert.ok(parts.some(({ provenance }) => provenance.some(({ origin }: Json) => origin === "accepted")));
});

test("a stream tells on request how far the prompt is fed, before all text", async () => {
  const { stream } = await serverOf();
  const forms: readonly [string, Record<string, unknown>][] = [
    ["/v1/chat/completions", chat()],
    ["/v1/completions", { prompt: "One two three", max_tokens: 2, temperature: 0 }],
    ["/completion", { prompt: "One two four", n_predict: 2, temperature: 0 }],
    ["/v1/responses", { input: "Hello", max_output_tokens: 2, temperature: 0 }],
  ];
  for (const [path, body] of forms) {
    const told = async (more: Record<string, unknown>) => {
      const events = await stream(path, { ...body, ...more });
      const at = events.flatMap(({ prompt_progress: one }, i) => one ? [i] : []);
      assert.ok(at.every((place, i) => place === at[0]! + i), "they stand together");
      return at.map((place) => events[place].prompt_progress);
    };
    assert.equal(await told({}), []);
    for (const cache_prompt of [false, true]) {
      const [first, last, ...more] = await told({ return_progress: true, cache_prompt });
      assert.equal(more, []);
      const { total } = first;
      assert.ok(total > 4, path);
      const cache = cache_prompt ? total - 1 : 0;
      assert.equal([first.cache, first.processed], [cache, cache]);
      assert.equal([last.total, last.cache, last.processed], [total, cache, total]);
      assert.ok(first.time_ms >= 0 && last.time_ms >= first.time_ms);
    }
  }
});

test("a stop text ends the answer before itself", async () => {
  const { engine, post } = await serverOf();
  const whole = await textAfter(engine, engine.codec.encodeChat(MESSAGES), 12);
  const stop = whole.slice(4, 6);
  const { body } = await post("/v1/chat/completions", chat({ stop }));
  assert.is(body.choices[0].message.content, whole.slice(0, whole.indexOf(stop)));
  assert.is(body.choices[0].finish_reason, "stop");
});

test("an assistant's message at the end is gone on with", async () => {
  const { engine, post } = await serverOf();
  const messages = [...MESSAGES, { role: "assistant", content: "Well" }];
  const { body } = await post("/v1/chat/completions", chat({ messages }));
  const prompt = engine.codec.render(MESSAGES, { addGenerationPrompt: true }) + "Well";
  assert.is(body.choices[0].message.content, await textAfter(engine, engine.codec.encodeRendered(prompt), 12));
  assert.is((await post("/apply-template", { messages })).body.prompt, prompt);
});

test("text goes to tokens and back in both dialects", async () => {
  const { engine, post, send } = await serverOf();
  const { tokens } = (await post("/tokenize", { content: "Hi wörld" })).body;
  assert.equal(tokens, engine.codec.encodeText("Hi wörld", { special: true, addBos: false }));
  assert.is((await post("/detokenize", { tokens })).body.content, "Hi wörld");
  assert.is((await post("/v1/detokenize", { tokens })).body.prompt, "Hi wörld");
  assert.equal((await post("/tokenize", { prompt: "Hi", add_special_tokens: false })).body.tokens, tokens.slice(0, 2));
  const pieces = (await post("/tokenize", { content: "ö", with_pieces: true })).body.tokens;
  assert.equal(pieces.map(({ piece }: Json) => piece), [[0xc3], [0xb6]]);
  const info = await (await send("GET", "/tokenizer_info")).json();
  assert.is(info.eos_token, engine.codec.eosText);
});

test("bad input is refused with the field's path, and the engine goes on", async () => {
  const { post, send } = await serverOf();
  const refusals: [string, unknown, number, string | null][] = [
    ["/v1/chat/completions", "{", 400, null],
    ["/v1/chat/completions", "[]", 400, null],
    ["/v1/chat/completions", "null", 400, null],
    ["/v1/chat/completions", {}, 400, "messages"],
    ["/v1/chat/completions", { messages: [] }, 400, "messages"],
    ["/v1/chat/completions", { messages: "x" }, 400, "messages"],
    ["/v1/chat/completions", { messages: [123] }, 400, "messages[0]"],
    ["/v1/chat/completions", { messages: [{}] }, 400, "messages[0].role"],
    ["/v1/chat/completions", { messages: [{ role: "usr", content: "" }] }, 400, "messages[0].role"],
    ["/v1/chat/completions", { messages: [{ role: "user" }] }, 400, "messages[0].content"],
    ["/v1/chat/completions", { messages: [{ role: "user", content: 1 }] }, 400, "messages[0].content"],
    [
      "/v1/chat/completions",
      { messages: [{ role: "user", content: [{ type: "image_url", image_url: {} }] }] },
      400,
      "messages[0].content[0].type",
    ],
    ["/v1/chat/completions", chat({ temperature: -1 }), 400, "temperature"],
    ["/v1/chat/completions", chat({ max_tokens: 0 }), 400, "max_tokens"],
    ["/v1/chat/completions", chat({ stop: [""] }), 400, "stop[0]"],
    ["/v1/chat/completions", chat({ tools: [{ type: "function" }] }), 400, "tools"],
    ["/v1/chat/completions", chat({ response_format: { type: "json_object" } }), 400, "response_format"],
    ["/v1/chat/completions", chat({ stream_options: { include_usage: true } }), 400, "stream_options"],
    ["/v1/chat/completions", chat({ strategy: "fast" }), 400, "strategy"],
    ["/v1/chat/completions", chat({ launch: "fast" }), 400, "launch"],
    ["/v1/completions", { prompt: "" }, 400, "prompt"],
    ["/v1/completions", { prompt: [[1, 99999]] }, 400, "prompt[0]"],
    ["/v1/completions", { prompt: [[70], 71] }, 400, "prompt[0]"],
    ["/completion", { prompt: {} }, 400, "prompt"],
    ["/completion", { prompt: { prompt_string: "x", multimodal_data: ["x"] } }, 400, "prompt.multimodal_data"],
    ["/detokenize", { tokens: [1, 99999] }, 400, "tokens[1]"],
    ["/v1/responses", { input: "x", previous_response_id: "y" }, 400, "previous_response_id"],
    ["/nowhere", {}, 404, null],
    ["/v1/models", {}, 405, null],
    ["/v1/embeddings", {}, 501, null],
    ["/v1/chat/completions", "x".repeat(5_000_000), 413, null],
  ];
  for (const [path, body, status, param] of refusals) {
    const answer = await post(path, body);
    assert.is(answer.status, status, `${path} ${JSON.stringify(body).slice(0, 80)}: ${JSON.stringify(answer.body)}`);
    assert.is(answer.body.error.param, param, JSON.stringify(answer.body));
    assert.type(answer.body.error.message, "string");
    assert.not.match(answer.body.error.message, /\n|\bat \//);
  }
  assert.is((await post("/v1/chat/completions", chat({ tools: [], response_format: { type: "text" } }))).status, 200);
  assert.is((await send("GET", "/health")).status, 200);
});

test("a mistake in the program is a failure of the server, in its log and not in its answer", async () => {
  const lines: string[] = [];
  const { engine, post } = await serverOf({ log: (line) => lines.push(line) });
  engine.codec.textOf = () => {
    throw new TypeError("Cannot read properties of undefined");
  };
  const { status, body } = await post("/detokenize", { tokens: [70] });
  assert.is(status, 500);
  assert.is(body.error.type, "server_error");
  assert.not.match(body.error.message, /undefined/);
  assert.equal(lines, ["failed: Cannot read properties of undefined"]);
});

test("a strategy that drafts is refused where nothing drafts", async () => {
  const { engine, post } = await serverOf();
  Object.defineProperty(engine, "models", { value: { verify: "random.gguf" } });
  const { status, body } = await post("/v1/chat/completions", chat({ strategy: "sd" }));
  assert.is(status, 400);
  assert.is(body.error.param, "strategy");
  const prediction = { type: "content", content: "x" };
  assert.is((await post("/v1/chat/completions", chat({ strategy: "sd", prediction }))).status, 200);
});

test("what is answered is as /openapi.json says it", async () => {
  const { send } = await serverOf();
  const { paths } = await (await send("GET", "/openapi.json")).json();
  const bodies: Record<string, unknown> = {
    "/v1/chat/completions": chat({ n: 2 }),
    "/v1/completions": { prompt: ["One", "Two"], max_tokens: 4, echo: true },
    "/v1/responses": { input: "Hello", max_output_tokens: 4 },
    "/completion": { prompt: "One", n_predict: 4 },
    "/tokenize": { content: "Hello", with_pieces: true },
    "/detokenize": { tokens: [70, 71] },
    "/apply-template": { messages: MESSAGES },
    "/v1/chat/completions/input_tokens": { messages: MESSAGES },
  };
  const ajv = new Ajv2020({ allowUnionTypes: true });
  for (const [path, methods] of Object.entries<Json>(paths)) {
    if (path === "/metrics" || path === "/v1/certify") continue;
    const response = "get" in methods ? await send("GET", path) : await send("POST", path, bodies[path]);
    const answer = await response.json();
    assert.is(response.status, 200, `${path} ${JSON.stringify(answer)}`);
    const { schema } = (methods.get ?? methods.post).responses["200"].content["application/json"];
    // The first way of several is the one that these bodies ask for.
    assert.ok(ajv.validate(schema.anyOf?.[0] ?? schema, answer), `${path} ${ajv.errorsText()}`);
  }
});

test("a method that a path does not have is refused with those that it has", async () => {
  const { send } = await serverOf();
  for (const [method, path, allow] of [["GET", "/completion", "POST"], ["DELETE", "/v1/models", "GET"]] as const) {
    const response = await send(method, path);
    assert.is(response.status, 405);
    assert.is(response.headers.get("allow"), `${allow}, OPTIONS`);
    await response.text();
  }
});

test("a prompt beyond the context is told in both sentences that clients look for", async () => {
  const { post } = await serverOf();
  const { status, body: { error } } = await post("/v1/completions", { prompt: "x".repeat(CONTEXT) });
  assert.is(status, 400);
  assert.is(error.type, "exceed_context_size_error");
  assert.is(error.code, "context_length_exceeded");
  assert.match(error.message, /exceeds the available context size/);
  assert.match(error.message, /this model's maximum context length is 200/);
  assert.equal([error.n_prompt_tokens, error.n_ctx], [CONTEXT, CONTEXT]);
});

test("any body gets an answer of JSON, and never a failure of the server", async () => {
  const { send } = await serverOf();
  const field = fc.oneof(
    fc.jsonValue({ maxDepth: 3 }),
    fc.constantFrom("x", ["x"], [1], [[1]], MESSAGES, { type: "content", content: "x" }, -1, 0, 1, 1e9, true, null),
  );
  const names = ["messages", "prompt", "input", "tokens", "content", "temperature", "seed", "stop", "n", "max_tokens"];
  const paths = [
    "/v1/chat/completions",
    "/v1/completions",
    "/completion",
    "/v1/responses",
    "/tokenize",
    "/detokenize",
    "/apply-template",
  ];
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...paths),
      fc.dictionary(fc.constantFrom(...names), field),
      async (path, body) => {
        // Long answers would only take time.
        const response = await send("POST", path, { ...body, n_predict: 2, max_tokens: 2, max_output_tokens: 2, n: 1 });
        assert.ok(response.status < 500, `${response.status}`);
        JSON.parse(await response.text());
      },
    ),
    { numRuns: 300 },
  );
});

test("who comes when the queue is full is told when to come back; the others are answered in their order", async () => {
  const { post, send } = await serverOf({ queue: 2 });
  const order: number[] = [];
  const answers = [0, 1, 2].map(async (i) => {
    const { status } = await post("/v1/chat/completions", chat());
    order.push(i);
    return status;
  });
  // The bodies are read first.
  await new Promise((resolve) => setTimeout(resolve, 20));
  const refused = await send("POST", "/v1/chat/completions", chat());
  if (order.length === 0) {
    assert.is(refused.status, 429);
    assert.match(refused.headers.get("retry-after")!, /^[1-9]\d*$/);
  }
  await refused.text();
  assert.equal(await Promise.all(answers), [200, 200, 200]);
  assert.equal(order, [0, 1, 2]);
});

test("a client that leaves, before, in or after the queue, leaves the engine free for the next", async () => {
  const { engine, post, send } = await serverOf();
  const wanted = await textAfter(engine, engine.codec.encodeChat(MESSAGES), 12);
  const long = chat({ max_tokens: 150, stream: true });
  const left: Promise<unknown>[] = [];
  for (let i = 0; i < 6; i++) {
    const leave = new AbortController();
    left.push(
      send("POST", "/v1/chat/completions", long, { signal: leave.signal }).then((response) => response.text())
        .catch(() => {}),
    );
    await new Promise((resolve) => setTimeout(resolve, i));
    leave.abort();
  }
  // One that reads a little and then cancels, as a closed connection does.
  const response = await send("POST", "/v1/chat/completions", long);
  const reader = response.body!.getReader();
  await reader.read();
  await reader.cancel();
  const { status, body } = await post("/v1/chat/completions", chat());
  assert.is(status, 200);
  assert.is(body.choices[0].message.content, wanted);
  await Promise.all(left);
});

test("a client that reads nothing does not hold up the next one", async () => {
  const { post, send } = await serverOf();
  const unread = await send("POST", "/v1/chat/completions", chat({ max_tokens: 100, stream: true }));
  assert.is((await post("/v1/chat/completions", chat())).status, 200);
  assert.match(await unread.text(), /\[DONE\]/);
});

test("a lost verify device is told as unavailable", async () => {
  const { post, stream } = await serverOf({}, { verify: { failAtMs: 0 } });
  const { status, body } = await post("/v1/chat/completions", chat());
  assert.is(status, 503);
  assert.is(body.error.type, "unavailable_error");
  const events = await stream("/v1/chat/completions", chat());
  assert.is(events.at(-1).error.type, "unavailable_error");
});

test("after a lost device the models are loaded anew, once", async () => {
  const lost = { verify: { failAtMs: 0 } };
  const spares = [await simulatedEngine(), await simulatedEngine()];
  const { post, send } = await serverOf({ reload: async () => spares.shift()! }, lost);
  assert.is((await post("/v1/chat/completions", chat())).status, 503);
  assert.is((await post("/v1/chat/completions", chat())).status, 200);
  assert.is((await send("GET", "/health")).status, 200);
  assert.is(spares.length, 1);
  const twice = await serverOf({ reload: () => simulatedEngine(lost) }, lost);
  for (let i = 0; i < 3; i++) assert.is((await twice.post("/v1/chat/completions", chat())).status, 503);
  assert.equal(await (await twice.send("GET", "/health")).json(), { status: "lost", drafting: true });
});

test("without the draft device the server goes on, and says so", async () => {
  const { engine, post, send } = await serverOf({}, { draft: { failAtMs: 0 } });
  const { status, body } = await post("/v1/chat/completions", chat());
  assert.is(status, 200);
  assert.is(body.choices[0].message.content, await textAfter(engine, engine.codec.encodeChat(MESSAGES), 12));
  assert.equal(await (await send("GET", "/health")).json(), { status: "ok", drafting: false });
});

test("keys are asked for, but for what anyone may know", async () => {
  const { send } = await serverOf({ apiKeys: ["one", "two"] });
  const status = async (method: string, path: string, headers: Record<string, string> = {}) => {
    const response = await send(method, path, method === "POST" ? chat() : undefined, { headers });
    await response.text();
    return response.status;
  };
  assert.is(await status("POST", "/v1/chat/completions"), 401);
  assert.is(await status("POST", "/v1/chat/completions", { authorization: "Bearer three" }), 401);
  assert.is(await status("POST", "/v1/chat/completions", { authorization: "Bearer two" }), 200);
  assert.is(await status("POST", "/v1/chat/completions", { "x-api-key": "one" }), 200);
  assert.is(await status("GET", "/health"), 200);
  assert.is(await status("GET", "/metrics"), 401);
});

test("pages of this machine may use the server, others not unless they are named", async () => {
  const allowed = async (options: HandlerOptions, origin: string) => {
    const { send } = await serverOf(options);
    const response = await send("OPTIONS", "/v1/chat/completions", undefined, { headers: { origin } });
    assert.is(response.status, 200);
    return response.headers.get("access-control-allow-origin");
  };
  for (const origin of ["http://localhost", "http://localhost:8080", "http://127.0.0.1:3000", "http://[::1]:3000"]) {
    assert.is(await allowed({}, origin), origin);
  }
  for (const origin of ["http://evil.com", "http://notlocalhost", "http://localhost.evil.com", "null"]) {
    assert.is(await allowed({}, origin), null);
  }
  assert.is(await allowed({ corsOrigins: ["https://mine.example"] }, "https://mine.example"), "https://mine.example");
  assert.is(await allowed({ corsOrigins: ["*"] }, "https://any.example"), "https://any.example");
});

test("pages are told of answers, streams and errors alike", async () => {
  const { send } = await serverOf({ apiKeys: ["one"] });
  const origin = "http://localhost:3000";
  for (
    const [status, key, body] of [[200, "one", chat()], [200, "one", chat({ stream: true })], [400, "one", {}], [
      401,
      "two",
      chat(),
    ]] as const
  ) {
    const headers = { origin, authorization: `Bearer ${key}` };
    const response = await send("POST", "/v1/chat/completions", body, { headers });
    await response.text();
    assert.is(response.status, status);
    assert.is(response.headers.get("access-control-allow-origin"), origin);
  }
});

test("the template sees all fields of a message", async () => {
  const template = "{% for m in messages %}{{ m.role }}{{ m.name }}{{ m.tool_calls }}{{ m.content }};{% endfor %}";
  const { post } = await serverOf({}, { template });
  const messages = [{ role: "user", name: "Ann", content: "Hi" }, { role: "assistant", tool_calls: ["x"] }, {
    role: "tool",
    content: [{ type: "text", text: "a" }, { type: "text", text: "b" }],
  }];
  const { body } = await post("/apply-template", { messages });
  assert.is(body.prompt, "userAnnHi;assistant['x'];toola\n\nb;");
});

test("a server of this machine answers to no other name", async () => {
  const { send } = await serverOf({ isLoopback: true });
  const status = async (host: string) => (await send("GET", "/health", undefined, { headers: { host } })).status;
  assert.is(await status("localhost:8080"), 200);
  assert.is(await status("[::1]:8080"), 200);
  assert.is(await status("evil.com"), 403);
  assert.is(await status("localhost.evil.com:8080"), 403);
});

test("the metrics add up over the answers", async () => {
  const { post, send } = await serverOf({ metricsPrefix: "llamacpp:" });
  const all = { fed: 0, cached: 0, predicted: 0 };
  for (const n_predict of [1, 4, 16]) {
    const { timings } = (await post("/completion", { prompt: "Hello", n_predict, temperature: 0 })).body;
    all.fed += timings.prompt_n;
    all.cached += timings.cache_n;
    all.predicted += timings.predicted_n;
    for (const value of Object.values(timings)) assert.ok(Number.isFinite(value) && (value as number) >= 0);
  }
  const text = await (await send("GET", "/metrics")).text();
  const value = (name: string) => Number(new RegExp(`^llamacpp:${name} (\\S+)$`, "m").exec(text)?.[1]);
  assert.is(value("prompt_tokens_total"), all.fed);
  assert.is(value("prompt_tokens_cached_total"), all.cached);
  assert.is(value("tokens_predicted_total"), all.predicted);
  assert.is(all.predicted, 21);
  assert.is(value("requests_processing"), 0);
  assert.is(value("request_queue_seconds_count"), 3);
  assert.match(text, /^# TYPE llamacpp:prompt_tokens_total counter$/m);
});

test("each answer is logged in one line without its text", async () => {
  const lines: string[] = [];
  const { post } = await serverOf({ log: (line) => lines.push(line) });
  const { body } = await post("/v1/chat/completions", chat());
  assert.is(lines.length, 1);
  assert.match(lines[0]!, new RegExp(`^${body.id} \\d+ tokens \\(0 cached\\), 12 written in \\d+ ms, .*, length$`));
});

test("what is said of the model has its name, and no path", async () => {
  const { send } = await serverOf({ alias: "mine" });
  for (const path of ["/v1/models", "/models", "/v1/models/mine", "/props", "/slots", "/health", "/openapi.json"]) {
    const response = await send("GET", path);
    assert.is(response.status, 200);
    assert.not.match(await response.text(), /somewhere/);
  }
  assert.is((await (await send("GET", "/v1/models")).json()).data[0].id, "mine");
  const { model_alias: alias, model_path: file } = await (await send("GET", "/props")).json();
  assert.equal([alias, file], ["mine", "random.gguf"]);
});

test.run();
