import { test } from "uvu";
import * as assert from "uvu/assert";
import { answersOf, type BenchmarkEngine, runBenchmark, sampleSize, warmUp } from "../../src/benchmark/benchmark.ts";
import type { DatasetSample } from "../../src/benchmark/conversation.ts";
import type { BenchmarkRun } from "../../src/benchmark/results.ts";
import type { ChatMessage } from "../../src/tokenizer/chat-template.ts";
import type { Generation } from "../../src/engine/generation.ts";
import type { GenerationOptions } from "../../src/engine/generation-run.ts";

const SAMPLES: readonly DatasetSample[] = [
  {
    id: "a",
    messages: [
      { role: "system", content: "short" },
      { role: "user", content: "one" },
      { role: "assistant", content: "ONE" },
      { role: "user", content: "two" },
      { role: "assistant", content: "TWO" },
    ],
    task: "answer",
  },
  { id: "b", messages: [{ role: "user", content: "three" }], task: "complete" },
  { id: "c", messages: [{ role: "user", content: "four" }], task: "answer" },
];
const ALL = { turns: "all", raw: false } as const;
const LAST = { turns: "last", raw: false } as const;
const INDEXED = SAMPLES.map((sample, index) => ({ index: index + 5, sample }));
const OPTIONS = {
  strategies: ["greedy", "sd", "amusd"],
  maxTokens: 4,
  decoding: { lookahead: 5 },
  seed: 1,
  context: 1000,
  ...ALL,
} as const;

const bytesOf = (text: string) => [...new TextEncoder().encode(text)];
const textOf = (tokens: readonly number[]) => new TextDecoder().decode(new Uint8Array(tokens));

/**
 * An engine whose tokens are bytes, and whose answer is the last letter of the prompt, twice; `wrong` strategies give
 * another.
 */
class FakeEngine implements BenchmarkEngine {
  readonly asked: string[] = [];
  constructor(readonly wrong: readonly string[] = []) {}

  readonly codec = {
    encode: (prompt: string, { raw = false } = {}) => bytesOf(raw ? prompt : `<${prompt}>`),
    encodeChat: (messages: readonly ChatMessage[]) =>
      bytesOf(messages.map(({ role, content }) => `${role[0]}:${content};`).join("")),
    pieces: (tokens: readonly number[]) => tokens.map((token) => textOf([token])),
  };

  generate(prompt: string | readonly number[], { strategy }: GenerationOptions = {}): Generation {
    const text = textOf(prompt as number[]);
    this.asked.push(`${strategy} ${text}`);
    const letter = this.wrong.includes(strategy!) ? "?" : text.replace(/[^a-z]/g, "").at(-1)!;
    const record = { strategy, tokens: bytesOf(letter + letter), text: letter + letter };
    return Promise.resolve({ record }) as unknown as Generation;
  }
}

async function collect(engine: FakeEngine, options: Partial<Parameters<typeof runBenchmark>[2]> = {}) {
  return await Array.fromAsync(runBenchmark(engine, INDEXED, { ...OPTIONS, ...options }));
}
const keyOf = ({ sample, turn, strategy }: BenchmarkRun) => `${sample}/${turn} ${strategy}`;

test("each turn is answered by all strategies in a drawn order, and sees the answers before it", async () => {
  const engine = new FakeEngine();
  const runs = await collect(engine);
  assert.equal(runs.map(({ sample, turn }) => `${sample}/${turn}`).filter((_, i) => i % 3 === 0), [
    "5/0",
    "5/1",
    "6/0",
    "7/0",
  ]);
  for (let i = 0; i < runs.length; i += 3) {
    assert.equal(runs.slice(i, i + 3).map(({ strategy }) => strategy).sort(), ["amusd", "greedy", "sd"]);
  }
  const prompts = [...new Set(engine.asked.map((line) => line.replace(/^\w+ /, "")))];
  assert.equal(prompts, ["u:one;", "u:one;a:ee;u:two;", "three", "u:four;"]);
  assert.equal(runs[0]!.pieces, ["e", "e"]);
  assert.ok(runs.every(({ identical }) => identical));
});

test("the order follows from the seed alone, and differs between turns", async () => {
  const order = async (seed: number) => (await collect(new FakeEngine(), { seed })).map(keyOf);
  assert.equal(await order(1), await order(1));
  const orders = await Promise.all([1, 2, 3, 4].map(order));
  assert.ok(new Set(orders.map(String)).size > 1);
  const firsts = orders.flat().filter((_, i) => i % 3 === 0).map((key) => key.split(" ")[1]);
  assert.is(new Set(firsts).size, 3);
});

test("an interrupted benchmark goes on to the same runs, from wherever it stopped", async () => {
  const whole = await collect(new FakeEngine());
  for (let stopped = 0; stopped <= whole.length; stopped++) {
    const done = whole.slice(0, stopped);
    assert.equal([...done, ...await collect(new FakeEngine(), { done })], whole, `after ${stopped}`);
  }
});

test("another text than the first strategy's is told", async () => {
  const runs = await collect(new FakeEngine(["sd"]));
  for (let i = 0; i < runs.length; i += 3) {
    const [first, ...others] = runs.slice(i, i + 3);
    assert.ok(first!.identical);
    for (const run of others) {
      assert.is(run.identical, (run.strategy === "sd") === (first!.strategy === "sd"), keyOf(run));
    }
  }
});

test("an abort ends it without the run in flight", async () => {
  const abort = new AbortController();
  const runs: BenchmarkRun[] = [];
  for await (const run of runBenchmark(new FakeEngine(), INDEXED, { ...OPTIONS, signal: abort.signal })) {
    runs.push(run);
    if (runs.length === 4) abort.abort();
  }
  assert.is(runs.length, 4);
});

const promptsOf = (engine: FakeEngine) => [...new Set(engine.asked.map((line) => line.replace(/^\w+ /, "")))];

test("the last turn alone is answered behind the dataset's own system text and answers", async () => {
  const engine = new FakeEngine();
  const runs = await collect(engine, LAST);
  assert.equal(promptsOf(engine), ["s:short;u:one;a:ONE;u:two;", "three", "u:four;"]);
  assert.is(runs.length, 9);
  assert.ok(runs.every(({ turn }) => turn === 0));
  assert.is(runs[0]!.prompt, "two");
});

test("raw prompts are texts with a blank line between them", async () => {
  const all = new FakeEngine();
  await collect(all, { raw: true });
  assert.equal(promptsOf(all), ["one", "one\n\nee\n\ntwo", "three", "four"]);
  const last = new FakeEngine();
  await collect(last, { turns: "last", raw: true });
  assert.equal(promptsOf(last), ["short\n\none\n\nONE\n\ntwo", "three", "four"]);
});

test("a turn whose prompt does not fit the context ends its sample", async () => {
  const engine = new FakeEngine();
  await collect(engine, { context: "u:one;a:ee;u:two;".length });
  assert.equal(promptsOf(engine), ["u:one;", "three", "u:four;"]);
});

test("a sample's size has room for the conversation and its answers", () => {
  const { codec } = new FakeEngine();
  const { promptTokens, positions } = sampleSize(codec, SAMPLES[0]!, 10, ALL);
  assert.is(promptTokens, "u:one;".length);
  assert.ok(positions >= "u:one;a:0123456789;u:two;".length + 10);
  const last = sampleSize(codec, SAMPLES[0]!, 10, LAST);
  assert.is(last.promptTokens, "s:short;u:one;a:ONE;u:two;".length);
  assert.ok(last.positions >= last.promptTokens + 10 && last.positions < last.promptTokens + 40);
  assert.equal([ALL, LAST].map((protocol) => answersOf(SAMPLES[0]!, protocol)), [2, 1]);
});

test("a template that wants questions and answers in turn is asked for no other", () => {
  const alternating = {
    ...new FakeEngine().codec,
    encodeChat(messages: readonly ChatMessage[]) {
      if (messages.some(({ role }, i) => role !== (i % 2 === 0 ? "user" : "assistant"))) throw new Error("Alternate");
      return bytesOf(JSON.stringify(messages));
    },
  };
  assert.ok(sampleSize(alternating, SAMPLES[0]!, 10, ALL).positions > 0);
  assert.throws(() => sampleSize(alternating, SAMPLES[0]!, 10, LAST), /Alternate/);
});

test("every strategy is warmed up", async () => {
  const engine = new FakeEngine();
  await warmUp(engine, ["greedy", "amusd"], OPTIONS.decoding);
  assert.equal(engine.asked, ["greedy Hello", "amusd Hello"]);
});

test.run();
