// How tokens are chosen otherwise than by the model's logits alone, on a real device with small random models: what a
// request says of tokens, penalties of the text, log-probabilities, and certificates of answers.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { type GenerationOptions, type GenerationRecord, load } from "../../mod.ts";
import { randomModel } from "../random-models.ts";
import "../untuned.ts";

const folder = await Deno.makeTempDir();
test.after(() => Deno.remove(folder, { recursive: true }));
await Deno.writeFile(`${folder}/verify.gguf`, randomModel());
await Deno.writeFile(`${folder}/draft.gguf`, randomModel({ ropeBase: 2000 }));
const engine = await load({ verify: `${folder}/verify.gguf`, draft: `${folder}/draft.gguf`, kvCache: "f32" });
test.after(() => engine.close());

const LENGTH = 60;
const generate = (options: GenerationOptions) =>
  engine.generate("The sea is", { raw: true, maxTokens: LENGTH, ignoreEos: true, ...options });
const plain = await generate({ strategy: "greedy" });

const OPTIONS: Readonly<Record<string, GenerationOptions>> = {
  "biases": { logitBias: new Map([...new Set(plain.tokens)].slice(0, 5).map((token) => [token, -4])) },
  "a forbidden token": { logitBias: new Map([[plain.tokens[3]!, -Infinity]]) },
  "presence and frequency": { presencePenalty: 0.6, frequencyPenalty: 0.4 },
  "repetition": { repetitionPenalty: 1.4 },
  "penalties of the last tokens": { repetitionPenalty: 1.3, presencePenalty: 0.5, penaltyWindow: 8 },
  "penalties of what is drawn": { temperature: 0.8, topK: 40, seed: 3, presencePenalty: 0.7, repetitionPenalty: 1.2 },
};

for (const [name, options] of Object.entries(OPTIONS)) {
  test(`the strategies agree with ${name}`, async () => {
    const { tokens, record } = await generate({ ...options, strategy: "greedy" });
    assert.not.equal(tokens, plain.tokens, "the option changes the text");
    let drafted = 0;
    for (const more of [{ strategy: "sd" }, { strategy: "amusd" }, { strategy: "amusd", hedge: false }] as const) {
      const { tokens: got, record } = await generate({ ...options, ...more });
      assert.equal(got, tokens, JSON.stringify(more));
      drafted += record.accepted;
    }
    assert.ok(drafted > 0, "the draft is right at times");
    const certificate = await engine.certify(record);
    assert.equal(certificate, { certified: LENGTH, tokens: LENGTH, parting: null });
    // By way of JSON, which has no infinity.
    assert.equal(await engine.certify(JSON.parse(JSON.stringify(record))), certificate);
  });
}

test("a token that is forbidden never comes, and an end of text doesn't either where it is to be ignored", async () => {
  const [token] = plain.tokens;
  const { tokens } = await generate({ logitBias: new Map([[token!, -Infinity]]) });
  assert.not(tokens.includes(token!));
  assert.is(tokens.length, LENGTH);
});

test("a certificate tells where a text is not the model's", async () => {
  const { record } = plain;
  const tokens = record.tokens.map((token, i) => i === 37 ? (token + 1) % 280 : token);
  const { parting, certified } = await engine.certify({ ...record, tokens });
  assert.is(certified, 37);
  assert.equal(parting, { index: 37, token: tokens[37], chosen: record.tokens[37] });
  await engine.certify({ ...record, modelHash: "11" }).then(() => assert.unreachable(), (error) => {
    assert.match(error.message, /another model/);
  });
});

test("log-probabilities come with each token, whoever drafts, and agree with the scores of the text", async () => {
  for (const options of [{}, { temperature: 0.9, seed: 5 }, { presencePenalty: 1 }]) {
    const { record } = await generate({ ...options, logprobs: 4, strategy: "greedy" });
    const logprobs = record.logprobs!;
    assert.is(logprobs.length, LENGTH);
    const text = [...record.promptTokens, ...record.tokens];
    const scores = (await engine.score(text, 4)).slice(record.promptTokens.length - 1);
    logprobs.forEach(({ logprob, top }, i) => {
      assert.is(top.length, 4);
      assert.ok(top.every((one, place) => place === 0 || one.logprob <= top[place - 1]!.logprob));
      assert.equal(scores[i], { logprob, top }, `token ${i}`);
      const own = top.find(({ token }) => token === record.tokens[i]);
      if (own) assert.is(own.logprob, logprob);
      else assert.ok(logprob <= top.at(-1)!.logprob);
    });
    for (const strategy of ["sd", "amusd"] as const) {
      const { record: other } = await generate({ ...options, logprobs: 4, strategy });
      assert.equal(other.tokens, record.tokens);
      assert.equal(other.logprobs, logprobs);
    }
  }
});

test("a draw's probabilities come after adjustments, temperature and filters, whoever drafts", async () => {
  const forbidden = plain.tokens[0]!;
  const draw = { temperature: 0.6, topP: 0.5, seed: 8, logitBias: new Map([[forbidden, -Infinity]]), logprobs: 20 };
  const { record } = await generate({ ...draw, logprobsOf: "draw", strategy: "greedy" });
  const { record: model } = await generate({ ...draw, strategy: "greedy" });
  assert.equal(record.tokens, model.tokens);
  record.logprobs!.forEach(({ logprob, top }, i) => {
    assert.not(top.some(({ token }) => token === forbidden));
    const place = top.findIndex(({ token }) => token === record.tokens[i]);
    assert.is(top[place]?.logprob, place < 0 ? undefined : logprob);
    const total = top.reduce((sum, { logprob }) => sum + Math.exp(logprob), 0);
    if (top.length < 20) assert.ok(Math.abs(total - 1) < 1e-5, `token ${i}: ${total}`);
    else assert.ok(total < 1 + 1e-5);
    // Two tokens' difference is the model's by the temperature.
    const own = new Map(model.logprobs![i]!.top.map(({ token, logprob }) => [token, logprob]));
    const [first, second] = top.filter(({ token }) => own.has(token));
    if (!second) return;
    const wanted = (own.get(first!.token)! - own.get(second.token)!) / 0.6;
    assert.ok(Math.abs(first!.logprob - second.logprob - wanted) < 1e-4);
  });
  assert.ok(record.logprobs!.some(({ top }) => top.length < 20), "the filter cuts");
  for (const strategy of ["sd", "amusd"] as const) {
    const { record: other } = await generate({ ...draw, logprobsOf: "draw", strategy });
    const told = ({ logprobs }: typeof record) => logprobs!.map(({ logprob, top }) => ({ logprob, top }));
    assert.equal(told(other), told(record));
  }
});

test("a prediction changes no token, and its drafts are accepted where it is right", async () => {
  const text = await plain.record.text;
  for (const strategy of ["sd", "amusd"] as const) {
    const right = await generate({ strategy, prediction: text });
    assert.equal(right.tokens, plain.tokens);
    const wrong = await generate({ strategy, prediction: "something else entirely" });
    assert.equal(wrong.tokens, plain.tokens);
  }
});

test("what the cache holds of a prompt is not fed again, and the text has the same bits", async () => {
  const options = { logprobs: 2, strategy: "greedy" } as const;
  const first = (await generate(options)).record;
  assert.is(first.cachedTokens, 0);
  const again = (await generate({ ...options, reuseCache: true })).record;
  assert.is(again.cachedTokens, again.promptTokens.length - 1);
  assert.equal(again.tokens, first.tokens);
  assert.equal(again.logprobs!.map(({ logprob }) => logprob), first.logprobs!.map(({ logprob }) => logprob));
  // A prompt that parts from what is held keeps what they share.
  const other = (await engine.generate("The sea was", { raw: true, maxTokens: 4, reuseCache: true })).record;
  assert.ok(other.cachedTokens > 0 && other.cachedTokens < other.promptTokens.length - 1);
  assert.equal(other.tokens, (await engine.generate("The sea was", { raw: true, maxTokens: 4 })).tokens);
});

test("a text that a slot keeps is gone on from with the same bits, penalties of it included", async () => {
  const slots = await load({
    verify: `${folder}/verify.gguf`,
    draft: `${folder}/draft.gguf`,
    kvCache: "f16",
    slots: 2,
  });
  const prompts = ["The sea is", "A mountain has"];
  const options = { raw: true, maxTokens: 30, ignoreEos: true, logprobs: 1, repetitionPenalty: 1.3 } as const;
  try {
    for (const strategy of ["greedy", "amusd"] as const) {
      const alone: GenerationRecord[] = [];
      for (const prompt of prompts) alone.push((await slots.generate(prompt, { ...options, strategy })).record);
      const longer = prompts.map((_, i) => [...alone[i]!.promptTokens, ...alone[i]!.tokens]);
      const fresh = [];
      for (const text of longer) fresh.push((await slots.generate(text, { ...options, strategy })).record);
      for (const prompt of prompts) await slots.generate(prompt, { ...options, strategy, reuseCache: true });
      for (const [i, text] of longer.entries()) {
        const { record } = await slots.generate(text, { ...options, strategy, reuseCache: true });
        assert.is(record.cachedTokens, text.length - 1);
        assert.equal(record.tokens, fresh[i]!.tokens);
        assert.equal(record.logprobs, fresh[i]!.logprobs);
      }
    }
  } finally {
    await slots.close();
  }
});

test("options out of range are refused", () => {
  const refused: GenerationOptions[] = [
    { logprobs: 21 },
    { repetitionPenalty: 0 },
    { presencePenalty: NaN },
    { penaltyWindow: -1 },
    { logitBias: new Map([[99_999, 1]]) },
    { logitBias: new Map([[1, Infinity]]) },
  ];
  for (const options of refused) assert.throws(() => generate(options), (error: Error) => error instanceof RangeError);
  assert.throws(() => generate({ logprobs: 1, logprobsOf: "draw" }), /nothing is drawn/);
});

test.run();
