// Other people's clients of OpenAI's API, unchanged, by our handler in place of `fetch`, with no port open: the text is
// that of `generate`, token for token. Not part of the fast tests: it has dependencies of its own.
// `deno task test:peers clients` installs and runs it.
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { ChatOpenAI } from "@langchain/openai";
import { generateText, streamText } from "ai";
import OpenAI, { BadRequestError } from "openai";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { createHandler, load } from "../../../mod.ts";

const models = new URL("../../../models/", import.meta.url).pathname;
const engine = await load({
  verify: `${models}smollm2-135m-instruct-q4_1.gguf`,
  draft: `${models}smollm2-draft-42m-q8_0.gguf`,
  draftVocabulary: 8192,
  context: 512,
});
test.after(() => engine.close());

const handler = createHandler(engine);
const ourFetch =
  (async (url: string | URL | Request, init?: RequestInit) => await handler(new Request(url, init))) as typeof fetch;
const baseURL = "http://in.process/v1";
const openai = new OpenAI({ baseURL, apiKey: "none", fetch: ourFetch, maxRetries: 0 });
const compatible = createOpenAICompatible({ name: "amusd", baseURL, fetch: ourFetch, includeUsage: true });

const CONTENT = "Name three rivers.";
const MESSAGES = [{ role: "user" as const, content: CONTENT }];
const LENGTH = 24;
const wanted = await engine.generate(CONTENT, { maxTokens: LENGTH, strategy: "greedy" }).text;
const ASKED = { model: "any", messages: MESSAGES, max_tokens: LENGTH, temperature: 0 };

for (const strategy of ["greedy", "sd", "amusd"]) {
  test(`openai's chat gets the text, whole and streamed, by ${strategy}`, async () => {
    // deno-lint-ignore no-explicit-any
    const asked = { ...ASKED, strategy } as any;
    const whole = await openai.chat.completions.create(asked);
    assert.is(whole.choices[0].message.content, wanted);
    const stream = await openai.chat.completions.create({ ...asked, stream: true });
    let text = "";
    // deno-lint-ignore no-explicit-any
    for await (const { choices } of stream as any) text += choices[0]?.delta?.content ?? "";
    assert.is(text, wanted);
  });
}

test("openai's completions and responses get theirs", async () => {
  const prompt = "The capital of France is";
  const own = await engine.generate(prompt, { raw: true, maxTokens: 8, strategy: "greedy" }).text;
  const completion = await openai.completions.create({ model: "any", prompt, max_tokens: 8, temperature: 0 });
  assert.is(completion.choices[0]!.text, own);
  const asked = { model: "any", input: CONTENT, max_output_tokens: LENGTH, temperature: 0 };
  assert.is((await openai.responses.create(asked)).output_text, wanted);
  let text = "";
  for await (const event of await openai.responses.create({ ...asked, stream: true })) {
    if (event.type === "response.output_text.delta") text += event.delta;
  }
  assert.is(text, wanted);
});

test("openai's errors have the status, the parameter and the code that programs act on", async () => {
  const refused = async (body: object) => {
    try {
      // deno-lint-ignore no-explicit-any
      await openai.chat.completions.create({ ...ASKED, ...body } as any);
    } catch (error) {
      assert.ok(error instanceof BadRequestError);
      return error;
    }
    throw new Error("it was not refused");
  };
  assert.is((await refused({ temperature: -1 })).param, "temperature");
  const long = await refused({ messages: [{ role: "user", content: "river ".repeat(2000) }] });
  assert.is(long.code, "context_length_exceeded");
});

test("openai's abort ends the answer, and the next one comes", async () => {
  const stream = await openai.chat.completions.create({ ...ASKED, max_tokens: 300, stream: true });
  let pieces = 0;
  for await (const _ of stream) if (++pieces === 4) stream.controller.abort();
  assert.is((await openai.chat.completions.create(ASKED)).choices[0]!.message.content, wanted);
});

test("openai's prediction is drafted from, and counted", async () => {
  // amusd drafts where it pays, which depends on how busy the machine is.
  const asked = { ...ASKED, strategy: "sd", prediction: { type: "content" as const, content: wanted } };
  const { choices, usage } = await openai.chat.completions.create(asked);
  assert.is(choices[0]!.message.content, wanted);
  assert.ok(usage!.completion_tokens_details!.accepted_prediction_tokens! > LENGTH / 2);
});

test("the AI SDK gets the text, whole and streamed, with the usage", async () => {
  const asked = { model: compatible("any"), prompt: CONTENT, maxOutputTokens: LENGTH, temperature: 0 };
  const whole = await generateText(asked);
  assert.is(whole.text, wanted);
  assert.is(whole.usage.outputTokens, LENGTH);
  const stream = streamText(asked);
  let text = "";
  for await (const delta of stream.textStream) text += delta;
  assert.is(text, wanted);
  assert.is((await stream.usage).outputTokens, LENGTH);
  const responses = createOpenAI({ baseURL, apiKey: "none", fetch: ourFetch });
  assert.is((await generateText({ ...asked, model: responses("any") })).text, wanted);
});

test("LangChain gets the text, whole and streamed", async () => {
  const model = new ChatOpenAI({
    model: "any",
    apiKey: "none",
    temperature: 0,
    maxTokens: LENGTH,
    configuration: { baseURL, fetch: ourFetch },
  });
  assert.is((await model.invoke(CONTENT)).content, wanted);
  let text = "";
  for await (const chunk of await model.stream(CONTENT)) text += chunk.content;
  assert.is(text, wanted);
});

test.run();
