// Runs on real devices, of small random models. Each lane can be put together with each other one, so kernels
// are compiled once.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { chooseAdapters, listAdapters, openDevice } from "../../src/gpu/adapters.ts";
import { blobSource } from "../../src/platform/byte-source.ts";
import { Device } from "../../src/gpu/device.ts";
import { llamaConfig } from "../../src/checkpoint/config.ts";
import { openGguf } from "../../src/checkpoint/gguf.ts";
import { Llama, PREFILL_ROWS } from "../../src/llama/llama.ts";
import { loadTokenizer, type Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import {
  type GenerationOptions,
  type GenerationRecord,
  GenerationRun,
  type Piece,
  type RunSource,
  type StrategyName,
} from "../../src/engine/generation-run.ts";
import type { Lane, LaneResult } from "../../src/spec/lanes/lane.ts";
import { Estimates } from "../../src/spec/schedule/estimates.ts";
import { greedyCost } from "../../src/spec/trace/greedy-cost.ts";
import { launchAtOnce } from "../../src/spec/schedule/launch-rule.ts";
import { ModelLane } from "../../src/engine/model-lane.ts";
import type { SamplingOptions } from "../../src/engine/sampling-options.ts";
import { Summarizer } from "../../src/spec/trace/summary.ts";
import { randomOf } from "../../src/util/random.ts";
import { type RandomModel, randomModel, TEXT_TOKENS, VOCABULARY } from "../random-models.ts";

const CONTEXT = 160;
const PROMPT = "The";
const STRATEGY_NAMES: readonly StrategyName[] = ["greedy", "sd", "amusd"];

const selections = chooseAdapters(await listAdapters());
const devices = {
  verify: new Device(await openDevice(selections.verify)),
  draft: new Device(await openDevice(selections.draft)),
};

async function createLane(name: "verify" | "draft", model: RandomModel): Promise<{ lane: Lane; tokenizer: Tokenizer }> {
  const checkpoint = await openGguf(blobSource(new Blob([randomModel(model)]), `${name}.gguf`));
  const llama = await Llama.load(devices[name], checkpoint, await llamaConfig(checkpoint), { capacity: CONTEXT });
  return {
    lane: new ModelLane(name, llama, name === "draft" ? 1 : 2, () => {}),
    tokenizer: loadTokenizer(checkpoint.metadata),
  };
}

const { lane: verify, tokenizer } = await createLane("verify", {});
const drafts = {
  "the verify model itself": (await createLane("draft", {})).lane,
  "one that agrees on a part": (await createLane("draft", { ropeBase: 2000 })).lane,
  "a random one": (await createLane("draft", { seed: 2 })).lane,
  "one without the padding": (await createLane("draft", { seed: 2, vocabulary: TEXT_TOKENS })).lane,
  "one with more padding": (await createLane("draft", { seed: 2, vocabulary: VOCABULARY + 32 })).lane,
};
const someDraft = drafts["one that agrees on a part"];

type Setup = Partial<RunSource>;

const NOTHING_CACHED = { verify: 0, draft: 0 };

function runOf(options: GenerationOptions, setup: Setup = {}): GenerationRun {
  return new GenerationRun({
    tokenizer,
    prompt: tokenizer.encode(PROMPT, { special: false }),
    verify,
    draft: someDraft,
    estimates: new Estimates(),
    adaptive: { ...launchAtOnce, gain: { expected: 1.2, achieved: 1.1 } },
    models: { verify: "v.gguf", draft: "d.gguf" },
    devices: { verify: "one", draft: "two" },
    variants: { verify: "rows-8", draft: "split-64" },
    modelHash: "00",
    ...setup,
  }, options);
}

async function finished(
  options: GenerationOptions,
  setup?: Setup,
): Promise<{ record: GenerationRecord; pieces: Piece[] }> {
  const run = runOf(options, setup);
  const pieces = await Array.fromAsync(run.pieces(NOTHING_CACHED));
  return { record: run.record, pieces };
}

/** A lane whose messages start late and settle late, each by a time of its own, in their order. */
function delayed(lane: Lane, seed: number): Lane {
  const random = randomOf(seed);
  const nap = () => new Promise((resolve) => setTimeout(resolve, random() < 0.5 ? 0 : 6 * random()));
  let sent: Promise<unknown> = Promise.resolve();
  let settled: Promise<unknown> = Promise.resolve();
  const late = (message: () => Promise<LaneResult>): Promise<LaneResult> => {
    const answer = sent.then(nap).then(() => ({ answer: message() }));
    sent = answer;
    const result = Promise.all([answer.then(({ answer }) => answer), settled]).then(async ([answer]) => {
      await nap();
      return answer;
    });
    settled = result;
    return result;
  };
  return {
    name: lane.name,
    capacity: lane.capacity,
    stepsAhead: lane.stepsAhead,
    branchCapacity: lane.branchCapacity,
    sample: (sampling) => lane.sample(sampling),
    prefill: (tokens, position) => late(() => lane.prefill(tokens, position)),
    verify: (tokens, position) => late(() => lane.verify(tokens, position)),
    verifyNext: (drafted, position) => late(() => lane.verifyNext(drafted, position)),
    decode: (token, position, steps, fork) => late(() => lane.decode(token, position, steps, fork)),
    keep: (fork, count) => late(() => lane.keep(fork, count)),
    save: (count) => lane.save(count),
    drain: async () => void await settled,
    close: () => lane.close(),
  };
}

function sharedLength(a: readonly number[], b: readonly number[]): number {
  const parting = a.findIndex((token, i) => token !== b[i]);
  return parting < 0 ? a.length : parting;
}

const LENGTH = 60;
const { record: wanted } = await finished({ strategy: "greedy", maxTokens: LENGTH });

/** What must hold of any record whatever happened. */
function assertSound(record: GenerationRecord): void {
  const { tokens, drafted, accepted, wastedDrafts, verifications, lanes, overlapMs, events, strategy } = record;
  const committed = events.flatMap((event) => event.kind === "commit" ? event.tokens : []);
  assert.equal(tokens, committed.map(({ token }) => token).slice(0, tokens.length), "the committed tokens");
  assert.equal(
    committed.map(({ position }) => position),
    committed.map((_, i) => record.promptTokens.length + i),
    "the committed positions",
  );
  assert.is(drafted, accepted + wastedDrafts);
  assert.is(committed.filter(({ origin }) => origin === "accepted").length, accepted);
  assert.ok(accepted >= 0 && accepted <= drafted && verifications <= committed.length);
  assert.equal(lanes.map(({ name }) => name), strategy === "greedy" ? ["verify"] : ["verify", "draft"]);
  if (strategy === "greedy") assert.is(drafted, 0);
  const runMs = lanes[0]!.busyMs + lanes[0]!.idleMs;
  for (const { name, busyMs, idleMs } of lanes) {
    assert.ok(busyMs >= 0 && idleMs >= 0, `${name}: busy ${busyMs}, idle ${idleMs}`);
    assert.ok(Math.abs(busyMs + idleMs - runMs) < 1e-6, `${name}: busy ${busyMs} and idle ${idleMs} in ${runMs}`);
    assert.ok(overlapMs <= busyMs + 1e-6, `${name}: overlap ${overlapMs} of ${busyMs}`);
  }
  for (const { name } of lanes) {
    const operations = events.filter((event) => event.kind === "operation").filter(({ lane }) => lane === name);
    for (const [i, { tokens, startMs, endMs }] of operations.entries()) {
      assert.ok(tokens.every(Number.isInteger), `${name} was fed ${tokens}`);
      assert.ok(startMs >= (operations[i - 1]?.endMs ?? 0) && endMs >= startMs, `${name} works in order`);
    }
  }
  if (tokens.length > 0) assert.ok(record.ttftMs! > 0 && record.ttftMs! <= runMs);
}

test("the random models are of use: varied text, and drafts of which some are right", async () => {
  assert.is(wanted.tokens.length, LENGTH);
  assert.ok(new Set(wanted.tokens).size > LENGTH / 3, wanted.tokens.join());
  assert.ok(wanted.tokens.some((token) => token >= TEXT_TOKENS), "with a token that the shorter draft lacks");
  const { record } = await finished({ strategy: "sd", maxTokens: LENGTH });
  assert.ok(record.acceptance! > 0.2 && record.acceptance! < 0.8, `${record.acceptance}`);
});

for (const [name, draft] of Object.entries(drafts)) {
  test(`the tokens are greedy's, with a draft model: ${name}`, async () => {
    const runs: GenerationOptions[] = [
      { strategy: "amusd" },
      ...[1, 5, 15].map((lookahead) => (
        { strategy: "sd", lookahead } as const
      )),
    ];
    for (const options of runs) {
      const { record } = await finished({ ...options, maxTokens: LENGTH }, { draft });
      assert.equal(record.tokens, wanted.tokens, `${options.strategy} ${options.lookahead}`);
      assert.is(record.text, wanted.text);
      assertSound(record);
      if (draft === drafts["the verify model itself"]) assert.is(record.acceptance, 1);
    }
  });
}

const SAMPLING: SamplingOptions = { temperature: 0.8, topK: 60, topP: 0.95, minP: 0.001, seed: 3 };

for (const [name, draft] of Object.entries(drafts)) {
  test(`the tokens that a seed draws are the same by each strategy, with a draft model: ${name}`, async () => {
    for (const sampling of [SAMPLING, { temperature: 0.5, seed: 5 }]) {
      const { record: drawn } = await finished({ strategy: "greedy", ...sampling, maxTokens: LENGTH });
      assert.ok(sharedLength(drawn.tokens, wanted.tokens) < LENGTH / 2, "they are not greedy's");
      for (const options of [{ strategy: "amusd" }, { strategy: "sd", lookahead: 1 }, { strategy: "sd" }] as const) {
        const { record } = await finished({ ...options, ...sampling, maxTokens: LENGTH }, { draft });
        assert.equal(record.tokens, drawn.tokens, `${options.strategy} ${JSON.stringify(sampling)}`);
        assertSound(record);
        // What was drafted behind an end of the text isn't accepted.
        if (draft === drafts["the verify model itself"] && record.finishReason !== "eos") {
          assert.is(record.acceptance, 1);
        }
      }
    }
  });
}

test("another seed draws another text, a low temperature greedy's, and what was drawn is told", async () => {
  const tokensOf = async (sampling?: SamplingOptions) =>
    (await finished({ strategy: "sd", ...sampling, maxTokens: LENGTH })).record.tokens;
  const drawn = await tokensOf(SAMPLING);
  assert.equal(await tokensOf(SAMPLING), drawn);
  assert.ok(sharedLength(await tokensOf({ ...SAMPLING, seed: 4 }), drawn) < LENGTH / 2);
  assert.ok(sharedLength(await tokensOf({ ...SAMPLING, temperature: 1.2 }), drawn) < LENGTH);
  for (const temperature of [1e-6, 0]) assert.equal(await tokensOf({ ...SAMPLING, temperature }), wanted.tokens);
  assert.equal(await tokensOf(), wanted.tokens, "after a sampled run");

  const hot = { temperature: 1, topK: 3, maxTokens: 8 };
  const { record } = await finished(hot);
  assert.equal({ ...record.sampling, seed: 0 }, { temperature: 1, topK: 3, topP: 1, minP: 0, seed: 0 });
  const again = await finished({ ...record.sampling!, maxTokens: 8, strategy: "greedy" });
  assert.equal(again.record.tokens, record.tokens, "by the seed that was told");
  const { record: other } = await finished(hot);
  assert.is.not(other.sampling!.seed, record.sampling!.seed);
  assert.is(wanted.sampling, null);
  assert.is((await finished({ temperature: 0, topP: 0.9, maxTokens: 1 })).record.sampling, null);
});

for (const late of ["verify", "draft", "both"]) {
  test(`the tokens are greedy's, with delayed lanes: ${late}`, async () => {
    for (const [seed, strategy] of (["sd", "amusd", "amusd"] as const).entries()) {
      const lanes = {
        verify: late === "draft" ? verify : delayed(verify, seed),
        draft: late === "verify" ? someDraft : delayed(someDraft, seed + 100),
      };
      const { record } = await finished({ strategy, maxTokens: LENGTH }, lanes);
      assert.equal(record.tokens, wanted.tokens, `${strategy}, seed ${seed}`);
      assertSound(record);
    }
  });
}

test("pieces are the text and the tokens, and a record is whole", async () => {
  for (const strategy of STRATEGY_NAMES) {
    const { record, pieces } = await finished({ strategy, maxTokens: 20 });
    assert.is(pieces.map(({ text }) => text).join(""), record.text);
    assert.equal(pieces.flatMap(({ tokens }) => tokens.map(({ token }) => token)), record.tokens);
    assert.equal(record.tokens, wanted.tokens.slice(0, 20));
    assert.is(record.finishReason, "length");
    assert.is(record.strategy, strategy);
    assert.equal(JSON.parse(JSON.stringify(record)), record);
    assertSound(record);
  }
});

test("a record tells what greedy costs here, and how many times as fast a run of some length was", async () => {
  for (const strategy of STRATEGY_NAMES) {
    const estimates = new Estimates();
    const run = runOf({ strategy, maxTokens: 20 }, { estimates });
    await Array.fromAsync(run.pieces(NOTHING_CACHED));
    const { greedyMsPerToken, speedup, msPerToken, events } = run.record;
    const summarizer = new Summarizer();
    for (const event of events) summarizer.add(event);
    const wanted = greedyCost(estimates.costs.verifyMs(1, false), summarizer.oneRow);
    assert.is(greedyMsPerToken, strategy === "greedy" ? null : wanted, strategy);
    assert.is(speedup, greedyMsPerToken && greedyMsPerToken / msPerToken!);

    const { record } = await finished({ strategy, maxTokens: 15 }, { estimates });
    assert.is(record.speedup, null, "few tokens");
    for (let i = 0; i < 40; i++) estimates.costs.observeVerify(1, 1e6, 0);
    assert.is(run.record.greedyMsPerToken, greedyMsPerToken, "later runs don't change it");
  }
});

test("a record tells the gain that the launch rule expected and the one that came, where it led the run", async () => {
  for (const [launch, gains] of [["adaptive", [1.2, 1.1]], ["published", [null, null]]] as const) {
    const { record } = await finished({ strategy: "amusd", maxTokens: 20, launch });
    assert.equal([record.expectedGain, record.achievedGain], gains, launch);
  }
});

test("the prefill tells how much of the prompt is fed, what was cached counted in", async () => {
  const prompt = Array.from({ length: 2 * PREFILL_ROWS + 3 }, (_, i) => 1 + i % 100);
  for (const strategy of STRATEGY_NAMES) {
    const told: string[] = [];
    const onPrefill = (fed: number, promptTokens: number) => void told.push(`${fed} of ${promptTokens}`);
    const run = runOf({ strategy, maxTokens: 2, onPrefill }, { prompt });
    await Array.fromAsync(run.pieces({ verify: 10, draft: 0 }));
    assert.equal(told, [10, 64, 128, 130].map((fed) => `${fed} of 131`), strategy);
  }
});

test("maxTokens 1 is one token", async () => {
  for (const strategy of STRATEGY_NAMES) {
    const { record } = await finished({ strategy, maxTokens: 1 });
    assert.equal(record.tokens, wanted.tokens.slice(0, 1));
    assert.is(record.finishReason, "length");
    assert.is(record.msPerToken, null);
    assertSound(record);
  }
});

test("an end-of-text token ends the run, is its last token and no part of its text", async () => {
  const at = wanted.tokens.findIndex((token, i) => i >= 12 && !wanted.tokens.slice(0, i).includes(token));
  const eos = wanted.tokens[at]!;
  // As the text stream would show it, were it text.
  const ending = { ...tokenizer, eosIds: new Set([eos]) };
  const { record: before } = await finished({ strategy: "greedy", maxTokens: at });
  for (const strategy of STRATEGY_NAMES) {
    const { record } = await finished({ strategy, maxTokens: LENGTH }, { tokenizer: ending });
    assert.equal(record.tokens, wanted.tokens.slice(0, at + 1));
    assert.is(record.text, before.text);
    assert.is(record.finishReason, "eos");
    assertSound(record);
  }
});

test("a control token among the stop texts ends the run", async () => {
  const at = wanted.tokens.findIndex((token, i) => i >= 12 && !wanted.tokens.slice(0, i).includes(token));
  const stop = wanted.tokens[at]!;
  const ending: Tokenizer = {
    ...tokenizer,
    controlId: (text) => text === "<|stop|>" ? stop : undefined,
    tokenBytes: (id, options) => id === stop ? new Uint8Array() : tokenizer.tokenBytes(id, options),
  };
  for (const strategy of STRATEGY_NAMES) {
    const { record } = await finished({ strategy, maxTokens: LENGTH, stop: ["<|stop|>"] }, { tokenizer: ending });
    assert.equal([record.tokens, record.finishReason], [wanted.tokens.slice(0, at + 1), "stop"]);
  }
});

test("a stop string ends the text before itself, and no part of it is ever shown", async () => {
  // A text of which all is readable: each token stands for a letter or two.
  const letters = { ...tokenizer, tokenBytes: (id: number) => new TextEncoder().encode(`${id},`) };
  const all = wanted.tokens.map((id) => `${id},`).join("");
  const stop = `${wanted.tokens.slice(14, 17).join()},`;
  assert.is(all.indexOf(stop), all.lastIndexOf(stop));
  for (const strategy of STRATEGY_NAMES) {
    const { record, pieces } = await finished({ strategy, maxTokens: LENGTH, stop: ["none such", stop] }, {
      tokenizer: letters,
    });
    const text = all.slice(0, all.indexOf(stop));
    assert.is(record.text, text);
    assert.is(pieces.map(({ text }) => text).join(""), text);
    assert.equal(record.tokens, wanted.tokens.slice(0, 17));
    assert.is(record.finishReason, "stop");
    assert.is(pieces.at(-1)!.tokens.at(-1)?.token, wanted.tokens[16], "it goes no further");
    assertSound(record);
    const { record: next } = await finished({ strategy, maxTokens: 8 });
    assert.equal(next.tokens, wanted.tokens.slice(0, 8), "the next run");
  }
});

test("what might have been a stop string is shown at the end", async () => {
  const letters = { ...tokenizer, tokenBytes: (id: number) => new TextEncoder().encode(`${id},`) };
  const begun = `${wanted.tokens.slice(8, 10).join()},never`;
  for (const strategy of STRATEGY_NAMES) {
    const { record, pieces } = await finished({ strategy, maxTokens: 10, stop: [begun] }, { tokenizer: letters });
    assert.is(record.text, wanted.tokens.slice(0, 10).map((id) => `${id},`).join(""));
    assert.is(pieces.map(({ text }) => text).join(""), record.text);
    assert.equal(pieces.at(-1)!.tokens, []);
  }
});

test("a full context ends the run", async () => {
  const prompt = Array.from({ length: CONTEXT - 6 }, (_, i) => i % TEXT_TOKENS);
  const { record: whole } = await finished({ strategy: "greedy" }, { prompt });
  assert.is(whole.tokens.length, 6);
  assert.is(whole.finishReason, "context");
  for (const strategy of ["sd", "amusd"] as const) {
    for (const draft of [someDraft, drafts["the verify model itself"]]) {
      const { record } = await finished({ strategy, lookahead: 15 }, { prompt, draft });
      assert.equal(record.tokens, whole.tokens);
      assert.is(record.finishReason, "context");
      assertSound(record);
    }
  }
});

test("a signal ends the run: before it, and in the midst of it", async () => {
  for (const strategy of STRATEGY_NAMES) {
    const { record: none } = await finished({ strategy, signal: AbortSignal.abort() });
    assert.equal(none.tokens, []);
    assert.is(none.finishReason, "abort");
    assertSound(none);

    const abort = new AbortController();
    const run = runOf({ strategy, maxTokens: LENGTH, signal: abort.signal });
    let text = "";
    for await (const piece of run.pieces(NOTHING_CACHED)) {
      text += piece.text;
      if (run.tokens.length >= 5) abort.abort();
    }
    const { record } = run;
    assert.is(record.finishReason, "abort");
    assert.ok(record.tokens.length >= 5 && record.tokens.length < LENGTH);
    assert.equal(record.tokens, wanted.tokens.slice(0, record.tokens.length));
    assert.is(record.text, text);
    assertSound(record);
  }
});

test("a consumer that breaks off leaves idle lanes, and a next run is sound", async () => {
  for (const strategy of STRATEGY_NAMES) {
    const underWay = { verify: 0, draft: 0 };
    const watch = (name: "verify" | "draft", lane: Lane): Lane => {
      const watched = (message: Promise<LaneResult>) => {
        underWay[name]++;
        return message.finally(() => underWay[name]--);
      };
      return {
        ...delayed(lane, 1),
        prefill: (tokens, position) => watched(lane.prefill(tokens, position)),
        verify: (tokens, position) => watched(lane.verify(tokens, position)),
        decode: (token, position, steps) => watched(lane.decode(token, position, steps)),
        drain: () => lane.drain(),
      };
    };
    let busy = false;
    const run = runOf({ strategy }, { verify: watch("verify", verify), draft: watch("draft", someDraft) });
    for await (const _ of run.pieces(NOTHING_CACHED)) {
      busy ||= underWay.verify + underWay.draft > 0;
      if (run.tokens.length >= 5) break;
    }
    assert.ok(busy, "something was under way while the consumer had its turn");
    assert.equal(underWay, { verify: 0, draft: 0 });
    assert.is(run.record.finishReason, "return");
    assert.equal(run.tokens, wanted.tokens.slice(0, run.tokens.length));
    assertSound(run.record);
    const { record: next } = await finished({ strategy, maxTokens: 8 });
    assert.equal(next.tokens, wanted.tokens.slice(0, 8));
  }
});

test("options out of range are refused at once", () => {
  const cases: [GenerationOptions, Setup, ErrorConstructor, RegExp][] = [
    [{ lookahead: 0 }, {}, RangeError, /^Cannot draft 0 tokens at a time: the lookahead is 1 to 15$/],
    [{ lookahead: 16 }, {}, RangeError, /^Cannot draft 16 tokens/],
    [{ maxTokens: 0 }, {}, RangeError, /^Cannot generate 0 tokens/],
    [{ maxTokens: 1.5 }, {}, RangeError, /^Cannot generate 1\.5 tokens/],
    [{ strategy: "sd" }, { draft: undefined }, TypeError, /^Cannot decode by "sd": there is no draft model/],
    [{ temperature: -1 }, {}, RangeError, /^Cannot sample with a temperature of -1: 0 or more is wanted$/],
    [{ temperature: NaN }, {}, RangeError, /^Cannot sample with a temperature of NaN/],
    [{ temperature: Infinity }, {}, RangeError, /^Cannot sample with a temperature of Infinity/],
    [{ topK: -1 }, {}, RangeError, /^Cannot sample with a topK of -1: a whole number of 0 or more/],
    [{ topK: 1.5 }, {}, RangeError, /^Cannot sample with a topK of 1\.5/],
    [{ topP: 0 }, {}, RangeError, /^Cannot sample with a topP of 0: more than 0 and at most 1 is/],
    [{ topP: 1.1 }, {}, RangeError, /^Cannot sample with a topP of 1\.1/],
    [{ minP: -0.1 }, {}, RangeError, /^Cannot sample with a minP of -0\.1/],
    [{ minP: 1 }, {}, RangeError, /^Cannot sample with a minP of 1: 0 or more and less than 1/],
    [{ seed: 2 ** 32 }, {}, RangeError, /^Cannot sample with a seed of 4294967296: .* to 4294967295 is/],
    [{ seed: 0.5 }, {}, RangeError, /^Cannot sample with a seed of 0\.5/],
    [{ temperature: 0, seed: -1 }, {}, RangeError, /^Cannot sample with a seed of -1/],
    [{ topK: 40 }, {}, TypeError, /^Cannot use topK where nothing is drawn at random: give a temperature above 0$/],
    [{ strategy: "best" as "sd" }, {}, RangeError, /^Cannot decode by "best": the strategies are greedy, sd, amusd$/],
    [
      { launch: "fixed:0" },
      {},
      RangeError,
      /^Cannot launch by "fixed:0": the rules are adaptive, published and fixed:1/,
    ],
    [{ stop: [""] }, {}, RangeError, /^Cannot stop at ""/],
    [{}, { prompt: [] }, RangeError, /^Cannot generate after an empty prompt/],
    [{}, { prompt: Array(CONTEXT).fill(1) }, RangeError, /a prompt of 160 tokens: the context has 160 positions/],
    [{}, { prompt: [1, VOCABULARY] }, RangeError, /^Cannot generate after token 320: the vocabulary has 320 tokens/],
    [{}, { prompt: [-1] }, RangeError, /^Cannot generate after token -1/],
    [{}, { prompt: [0.5] }, RangeError, /^Cannot generate after token 0\.5/],
  ];
  for (const [options, setup, type, message] of cases) {
    try {
      runOf(options, setup);
    } catch (error) {
      assert.instance(error, type);
      assert.match((error as Error).message, message);
      continue;
    }
    assert.unreachable(`${message}`);
  }
  runOf({ temperature: 0, topK: 0, topP: 1, minP: 0, seed: 2 ** 32 - 1 });
  runOf({ lookahead: 15, maxTokens: 1 }, { prompt: Array(CONTEXT - 1).fill(VOCABULARY - 1) });
});

test.after(async () => {
  for (const lane of [verify, ...Object.values(drafts)]) await lane.close();
  for (const device of Object.values(devices)) device.close();
});

test.run();
