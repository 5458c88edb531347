// Which texts' keys and values are kept, on simulated lanes, which choose by the text that they really hold.

import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Lane } from "../../src/spec/lanes/lane.ts";
import { simulatedEngine, type SimulatedEngineOptions } from "../serve/simulated-engine.ts";

const FAST = { decodeMs: 0, verifyMs: () => 0 };
const fastEngine = (options: SimulatedEngineOptions = {}) => simulatedEngine({ verify: FAST, draft: FAST, ...options });
const tokensOf = (text: string) => [...text].map((letter) => letter.charCodeAt(0));
const A = tokensOf("a system prompt, and the first of the conversations that share it");
const B = tokensOf("a system prompt, and another that goes on otherwise, and is as long");
const C = tokensOf("nothing of this is shared with any text that came before it, or after");

/** Asks for each prompt in turn; how many tokens of each were cached. */
async function cachedOf(slots: number, prompts: readonly (readonly number[])[]): Promise<readonly number[]> {
  await using engine = await fastEngine({ slots });
  const cached = [];
  for (const prompt of prompts) {
    const { record } = await engine.generate(prompt, { maxTokens: 4, reuseCache: true });
    cached.push(record.cachedTokens);
  }
  return cached;
}

const SHARED = tokensOf("a system prompt, and ").length;

test("a text is gone on from after others, as long as a slot keeps it", async () => {
  const rest = A.length - 1;
  assert.equal(await cachedOf(1, [A, B, C, A]), [0, SHARED, 0, 0]);
  assert.equal(await cachedOf(3, [A, B, C, A, B, C]), [0, SHARED, 0, rest, B.length - 1, C.length - 1]);
  assert.equal(await cachedOf(2, [A, C, A, C, B]), [0, 0, rest, C.length - 1, SHARED]);
});

test("a text is gone on from after another one with the same long beginning", async () => {
  const system = Array.from({ length: 90 }, (_, i) => 65 + i % 26);
  const [one, other] = [1, 2].map((
    step,
  ) => [...system, ...Array.from({ length: 80 }, (_, i) => 97 + step * i % 26 + step)]);
  assert.equal(await cachedOf(2, [one!, other!, one!, other!]), [0, 90, 169, 169]);
  // As far as one pass feeds it again, a text is not worth a slot.
  assert.equal(await cachedOf(2, [one!.slice(0, 140), other!.slice(0, 140), one!.slice(0, 140)]), [0, 90, 90]);
});

test("the text that was not asked for longest makes room", async () => {
  const D = tokensOf("one more text, of which no other one knows anything at all, by its words");
  assert.equal(await cachedOf(3, [A, C, A, D, B, C]), [0, 0, A.length - 1, 0, SHARED, 0]);
});

test("an answer that is asked for anew takes no other slot", async () => {
  await using engine = await fastEngine({ slots: 3 });
  for (const prompt of [C, A, A, A, A]) {
    await engine.generate(prompt, { maxTokens: 20, temperature: 1, reuseCache: true });
  }
  assert.is(engine.cachedLengths.length, 2);
  const { record } = await engine.generate(C, { maxTokens: 4, reuseCache: true });
  assert.is(record.cachedTokens, C.length - 1);
});

test("a text survives what else the verify lane does", async () => {
  await using engine = await fastEngine({ slots: 2 });
  await engine.generate(A, { maxTokens: 4, reuseCache: true });
  await engine.score(C, 0).catch(() => {});
  const { record } = await engine.generate(A, { maxTokens: 4, reuseCache: true });
  assert.is(record.cachedTokens, A.length - 1);
});

test("a device without memory for another text costs the text, and nothing else", async () => {
  await using engine = await fastEngine({ slots: 3 });
  const { record: plain } = await engine.generate(A, { maxTokens: 30 });
  const wrap = (lane: Lane) => Object.assign(lane, { save: () => Promise.resolve(null) });
  const full = await fastEngine({ slots: 3, wrap });
  for (const prompt of [A, C]) await full.generate(prompt, { maxTokens: 4, reuseCache: true });
  const { record } = await full.generate(A, { maxTokens: 30, reuseCache: true });
  assert.equal([record.cachedTokens, record.tokens], [0, plain.tokens]);
  await full.close();
});

test("any order of prompts, slots and strategies gives the texts that an engine without a cache gives", async () => {
  await using plain = await fastEngine();
  const word = fc.constantFrom("the sea ", "is ", "wide ", "and deep ");
  const request = fc.record({
    words: fc.array(word, { minLength: 1, maxLength: 5 }),
    strategy: fc.constantFrom("greedy" as const, "sd" as const, "amusd" as const),
    maxTokens: fc.integer({ min: 1, max: 12 }),
    reuseCache: fc.constantFrom(true, true, true, false),
    prediction: fc.constantFrom(undefined, undefined, "ABCABC"),
  });
  const requests = fc.array(request, { minLength: 2, maxLength: 10 });
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 4 }), requests, async (slots, requests) => {
      await using engine = await fastEngine({ slots });
      for (const { words, ...options } of requests) {
        const prompt = tokensOf(words.join(""));
        const { record } = await engine.generate(prompt, options);
        const expected = await plain.generate(prompt, { maxTokens: options.maxTokens, strategy: "greedy" });
        assert.equal(record.tokens, expected.tokens);
        assert.ok(engine.cachedLengths.length <= slots);
      }
    }),
    { numRuns: 15 },
  );
});

test.run();
