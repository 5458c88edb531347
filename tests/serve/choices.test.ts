// What a request says of tokens and log-probabilities, on a real device with a small random model.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { createHandler, load } from "../../mod.ts";
import { randomModel } from "../random-models.ts";
import "../untuned.ts";

// deno-lint-ignore no-explicit-any
type Json = any;

const folder = await Deno.makeTempDir();
test.after(() => Deno.remove(folder, { recursive: true }));
await Deno.writeFile(`${folder}/verify.gguf`, randomModel());
await Deno.writeFile(`${folder}/draft.gguf`, randomModel({ ropeBase: 2000 }));
const engine = await load({ verify: `${folder}/verify.gguf`, draft: `${folder}/draft.gguf` });
test.after(() => engine.close());
const handler = createHandler(engine);

async function post(path: string, body: Json): Promise<Json> {
  const response = await handler(
    new Request(`http://localhost${path}`, { method: "POST", body: JSON.stringify(body) }),
  );
  return await response.json();
}

async function stream(path: string, body: Json): Promise<Json[]> {
  const init = { method: "POST", body: JSON.stringify({ ...body, stream: true }) };
  const text = await (await handler(new Request(`http://localhost${path}`, init))).text();
  return text.split("\n").filter((line) => /^data: \{/.test(line)).map((line) => JSON.parse(line.slice(6)));
}

const ASKED = { max_tokens: 12, temperature: 0, ignore_eos: true };
const MESSAGES = [{ role: "user", content: "Hello" }];

test("a chat's log-probabilities stand with each token, whole and streamed", async () => {
  const asked = { ...ASKED, messages: MESSAGES, logprobs: true, top_logprobs: 3 };
  const [choice] = (await post("/v1/chat/completions", asked)).choices;
  const { content } = choice.logprobs;
  assert.is(content.length, 12);
  for (const { token, bytes, logprob, top_logprobs: top } of content) {
    assert.is(top.length, 3);
    assert.ok(logprob <= 0);
    assert.equal(bytes, [...new TextEncoder().encode(token)]);
    // The likeliest was taken.
    assert.is(top[0].token, token);
    assert.is(top[0].logprob, logprob);
  }
  const events = await stream("/v1/chat/completions", asked);
  const streamed = events.flatMap(({ choices }) => choices[0]?.logprobs?.content ?? []);
  assert.equal(streamed, content);
  const refused = await post("/v1/chat/completions", { ...ASKED, messages: MESSAGES, top_logprobs: 3 });
  assert.is(refused.error.param, "top_logprobs");
});

test("completions echo the prompt with the log-probabilities of its tokens, of which the first has none", async () => {
  const prompt = engine.codec.encode("The sea is", { raw: true });
  const asked = { ...ASKED, prompt, max_tokens: 1, logprobs: 2, echo: true };
  const [{ text, logprobs }] = (await post("/v1/completions", asked)).choices;
  assert.is(logprobs.tokens.length, prompt.length + 1);
  assert.is(logprobs.token_logprobs[0], null);
  assert.is(logprobs.tokens.join(""), text);
  const scores = await engine.score(prompt, 2);
  assert.equal(logprobs.token_logprobs.slice(1, -1), scores.map(({ logprob }) => logprob));
  assert.equal(
    logprobs.text_offset.map((at: number, i: number) => text.startsWith(logprobs.tokens[i], at)),
    logprobs.tokens.map(() => true),
  );
  const several = await post("/v1/completions", { ...asked, prompt: [prompt, prompt.slice(0, 4)] });
  assert.equal(several.choices.map((choice: Json) => choice.logprobs.tokens.length), [prompt.length + 1, 5]);
  const events = await stream("/v1/completions", asked);
  const streamed = events.flatMap(({ choices }) => choices[0]?.logprobs?.token_logprobs ?? []);
  assert.equal(streamed, logprobs.token_logprobs);
});

test("llama.cpp's form has them one an event", async () => {
  const asked = { ...ASKED, prompt: "The sea is", n_predict: 5, n_probs: 4 };
  const { completion_probabilities: all } = await post("/completion", asked);
  assert.equal(all.map(({ top_logprobs: top }: Json) => top.length), [4, 4, 4, 4, 4]);
  const events = (await stream("/completion", asked)).filter(({ stop }) => !stop);
  assert.equal(events.flatMap(({ completion_probabilities: [one] }) => one), all);
});

test("llama.cpp's post_sampling_probs are those by which tokens are drawn, or 1 where none is", async () => {
  const asked = { prompt: "The sea is", n_predict: 6, ignore_eos: true, n_probs: 10, seed: 4 };
  const probabilities = async (more: Json) => {
    const { completion_probabilities: all } = await post("/completion", { ...asked, ...more });
    assert.is(all.length, 6);
    return all;
  };
  const model = await probabilities({ temperature: 0.5, top_k: 8 });
  const drawn = await probabilities({ temperature: 0.5, top_k: 8, post_sampling_probs: true });
  drawn.forEach(({ id, prob, logprob, top_probs: top }: Json, i: number) => {
    assert.is(id, model[i].id, "the text is the same");
    assert.is(logprob, undefined);
    assert.equal(top.map(({ id }: Json) => id), model[i].top_logprobs.slice(0, 8).map(({ id }: Json) => id));
    const weights = model[i].top_logprobs.slice(0, 8).map(({ logprob }: Json) => Math.exp(logprob / 0.5));
    const total = weights.reduce((sum: number, weight: number) => sum + weight);
    top.forEach(({ prob }: Json, place: number) => assert.ok(Math.abs(prob - weights[place] / total) < 1e-5));
    assert.is(prob, top.find((one: Json) => one.id === id).prob);
  });
  for (const { id, prob, top_probs: top } of await probabilities({ temperature: 0, post_sampling_probs: true })) {
    assert.is(prob, 1);
    assert.equal(top.map(({ id, prob }: Json) => [id, prob]), [[id, 1]]);
  }
  const events = await stream("/completion", { ...asked, temperature: 0.5, top_k: 8, post_sampling_probs: true });
  assert.equal(events.flatMap(({ completion_probabilities: all, stop }) => stop ? [] : all), drawn);
  const { error } = await post("/v1/chat/completions", { ...ASKED, messages: MESSAGES, post_sampling_probs: true });
  assert.is(error.param, "post_sampling_probs");
});

test("a long prompt's progress comes pass by pass", async () => {
  const asked = { prompt: "x".repeat(150), n_predict: 2, temperature: 0, return_progress: true, cache_prompt: false };
  const events = await stream("/completion", asked);
  const progress = events.flatMap(({ prompt_progress: one }) => one ?? []);
  assert.equal(progress.map(({ processed }) => processed), [0, 64, 128, progress[0].total]);
  assert.equal(new Set(progress.map(({ total }) => total)).size, 1);
  assert.is(progress[0].total, engine.codec.encode(asked.prompt, { raw: true }).length);
});

test("biases are taken by id or by text, as an object or as a list, and false forbids", async () => {
  const tokens = async (more: Json) =>
    (await post("/completion", { ...ASKED, prompt: "The sea is", n_predict: 12, return_tokens: true, ...more })).tokens;
  const plain: number[] = await tokens({});
  const [first] = plain;
  const text = engine.codec.textOf([first!]);
  const forbidden = await tokens({ logit_bias: [[first, false]] });
  assert.not(forbidden.includes(first));
  assert.equal(await tokens({ logit_bias: { [first!]: -1000 } }), forbidden);
  if (engine.codec.encodeText(text, { special: true, addBos: false }).length === 1) {
    assert.equal(await tokens({ logit_bias: [[text, -1000]] }), forbidden);
    assert.equal(await tokens({ logit_bias: { [text]: -1000 } }), forbidden);
  }
  for (
    const penalty of [{ repeat_penalty: 1.5, repeat_last_n: -1 }, { presence_penalty: 1 }, { frequency_penalty: 1 }]
  ) {
    assert.not.equal(await tokens(penalty), plain, JSON.stringify(penalty));
  }
  const wrong = await post("/completion", { ...ASKED, prompt: "x", logit_bias: [[999_999, 1]] });
  assert.is(wrong.error.param, "logit_bias[0]");
});

test("a record is certified, in whole or as far as it is the model's", async () => {
  const { record } = await engine.generate("The sea is", {
    raw: true,
    maxTokens: 20,
    temperature: 0.7,
    presencePenalty: 1,
  });
  assert.equal(await post("/v1/certify", record), { certified: 20, tokens: 20, parting: null });
  const tokens = record.tokens.map((token, i) => i === 9 ? (token + 1) % 280 : token);
  assert.is((await post("/v1/certify", { ...record, tokens })).certified, 9);
  assert.is((await post("/v1/certify", { ...record, modelHash: "x" })).error.param, "modelHash");
  assert.is((await post("/v1/certify", { ...record, sampling: { temperature: "hot" } })).error.param, "sampling.topK");
});

test("an end of text that is to be ignored is told as a bias", async () => {
  const settings = async (ignore_eos: boolean) =>
    (await post("/completion", { prompt: "x", n_predict: 1, temperature: 0, ignore_eos })).generation_settings;
  assert.equal((await settings(false)).logit_bias, []);
  const biases = (await settings(true)).logit_bias;
  assert.ok(biases.length > 0 && biases.every(({ bias }: Json) => bias === null));
});

test.run();
