import { test } from "uvu";
import * as assert from "uvu/assert";
import { type BenchmarkEngine, contextOf, runBenchmark, warmUp } from "../../src/benchmark/benchmark.ts";
import type { DatasetSample } from "../../src/benchmark/datasets.ts";
import type { BenchmarkRun } from "../../src/benchmark/results.ts";
import type { ChatMessage } from "../../src/tokenizer/chat-template.ts";
import type { Generation } from "../../src/engine/generation.ts";
import type { GenerationOptions } from "../../src/engine/generation-run.ts";

const SAMPLES: readonly DatasetSample[] = [
  { id: "a", turns: ["one", "two"], task: "answer" },
  { id: "b", turns: ["three"], task: "complete" },
  { id: "c", turns: ["four"], task: "answer" },
];
const INDEXED = SAMPLES.map((sample, index) => ({ index: index + 5, sample }));
const OPTIONS = {
  strategies: ["greedy", "sd", "amusd"],
  maxTokens: 4,
  decoding: { lookahead: 5 },
  seed: 1,
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

test("the context has room for the longest conversation and its answers", () => {
  const engine = new FakeEngine();
  assert.ok(
    contextOf(engine.codec, SAMPLES, 10) >= engine.codec.encodeChat([
          { role: "user", content: "one" },
          { role: "assistant", content: "0123456789" },
          { role: "user", content: "two" },
        ]).length + 10,
  );
  assert.ok(contextOf(engine.codec, SAMPLES.slice(1), 10) < contextOf(engine.codec, SAMPLES, 10));
});

test("every strategy is warmed up", async () => {
  const engine = new FakeEngine();
  await warmUp(engine, ["greedy", "amusd"], OPTIONS.decoding);
  assert.equal(engine.asked, ["greedy <Hello>", "amusd <Hello>"]);
});

test.run();
