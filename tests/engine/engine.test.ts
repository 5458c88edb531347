// Engines as a program uses them, on real devices: random models for most, the embedded pair once.

import { listAdapters } from "../../src/gpu/adapters.ts";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { requestAdapter } from "../../src/gpu/dawn.ts";
import { load, type LoadProgress } from "../../mod.ts";
import type { ChatMessage } from "../../src/tokenizer/chat-template.ts";
import type { Engine } from "../../src/engine/engine.ts";
import type { Generation } from "../../src/engine/generation.ts";
import type { GenerationOptions, GenerationRecord, StrategyName } from "../../src/engine/generation-run.ts";
import { LaneLostError } from "../../src/spec/lanes/lane.ts";
import "../untuned.ts";
import type { Operation, Start } from "../../src/spec/trace/trace-events.ts";
import { randomModel, TRAINED_CONTEXT, VOCABULARY } from "../random-models.ts";

const STRATEGY_NAMES: readonly StrategyName[] = ["greedy", "sd", "amusd"];

const folder = await Deno.makeTempDir();
function writeModel(name: string, ...model: Parameters<typeof randomModel>): string {
  const path = `${folder}/${name}.gguf`;
  Deno.writeFileSync(path, randomModel(...model));
  return path;
}
const verifyPath = writeModel("verify");
const draftPath = writeModel("draft", { ropeBase: 2000 });

/** The devices of the engine loaded last, by label: to lose them. */
const gpus = new Map<string, GPUDevice>();
const adapterPrototype: GPUAdapter = Object.getPrototypeOf(await requestAdapter((await listAdapters())[0]!.request));
const { requestDevice } = adapterPrototype;
adapterPrototype.requestDevice = async function (descriptor) {
  const gpu = await requestDevice.call(this, descriptor);
  gpus.set(descriptor!.label!, gpu);
  return gpu;
};

/** That both devices are gone. */
async function assertFreed(): Promise<void> {
  const freed = Promise.all([...gpus.values()].map(({ lost }) => lost)).then((all) => all.length);
  const never = new Promise((resolve) => setTimeout(resolve, 2000, "a device is still there"));
  assert.is(await Promise.race([freed, never]), 2);
}

/** The model files that this process holds open; null where the system does not tell. */
async function openModelFiles(): Promise<string[] | null> {
  if (Deno.build.os !== "linux") return null;
  const links = [];
  for await (const { name } of Deno.readDir("/proc/self/fd")) {
    links.push(await Deno.readLink(`/proc/self/fd/${name}`).catch(() => ""));
  }
  return links.filter((link) => link.endsWith(".gguf"));
}

async function finished(generation: Generation): Promise<GenerationRecord> {
  const texts = [];
  for await (const { text } of generation) texts.push(text);
  assert.is(texts.join(""), await generation.text);
  return await generation.record;
}

/** Iterates until `count` tokens have come, and then calls `then` after each piece; the text, and how it ended. */
async function readUntil(
  generation: Generation,
  count: number,
  then: () => boolean | void,
): Promise<{ text: string; error: unknown }> {
  let [text, tokens, error] = ["", 0, undefined as unknown];
  try {
    for await (const piece of generation) {
      text += piece.text;
      tokens += piece.tokens.length;
      if (tokens >= count && then() === false) break;
    }
  } catch (thrown) {
    error = thrown;
  }
  return { text, error };
}

async function refused(promise: Promise<unknown>, message: RegExp): Promise<void> {
  const error: unknown = await promise.then(() => undefined, (error) => error);
  assert.instance(error, Error);
  assert.match((error as Error).message, message);
}

/** What each lane was fed of the prompt, as positions: what came before was in its cache. */
function firstFed({ events }: GenerationRecord): Record<string, number> {
  const operations = events.filter((event): event is Operation => event.kind === "operation");
  const { lanes } = events.find((event): event is Start => event.kind === "start")!;
  return Object.fromEntries(lanes.map(({ name }) => [
    name,
    Math.min(...operations.filter(({ lane }) => lane === name).map(({ position }) => position)),
  ]));
}

function sharedLength(a: readonly number[], b: readonly number[]): number {
  const parting = a.findIndex((token, i) => token !== b[i]);
  return parting < 0 ? a.length : parting;
}

const progress: LoadProgress[] = [];
const engine: Engine = await load({
  verify: verifyPath,
  draft: draftPath,
  onProgress: (step) => progress.push(step),
});

/** The tokens of a run that can make use of no cache. */
async function afresh(prompt: string | readonly number[], maxTokens: number): Promise<readonly number[]> {
  return (await finished(engine.generate(prompt, { raw: true, strategy: "greedy", maxTokens }))).tokens;
}

test("loading tells of itself, and leaves no file open", async () => {
  const { done, total } = progress.at(-1)!;
  assert.ok(done <= total && done > 0.9 * total, `${done} of ${total}`);
  assert.ok(progress.every(({ step, done }, i) => step === "load" && (i === 0 || done > progress[i - 1]!.done)));
  assert.ok(!(await openModelFiles())?.length);
  assert.is(engine.context, TRAINED_CONTEXT);
  assert.equal(engine.models, { verify: verifyPath, draft: draftPath });
  assert.equal(Object.keys(engine.devices), ["verify", "draft"]);
});

test("every launch rule, with hedges and without, writes greedy's text", async () => {
  const wanted = await afresh("The", 40);
  for (const launch of ["adaptive", "published", "fixed:1", "fixed:7"] as const) {
    for (const hedge of [true, false]) {
      const { tokens, events } = await finished(
        engine.generate("The", { raw: true, strategy: "amusd", maxTokens: 40, launch, hedge }),
      );
      assert.equal(tokens, wanted, `${launch}, hedge ${hedge}`);
      if (!hedge) assert.ok(events.every((event) => event.kind !== "operation" || event.fork === undefined));
    }
  }
  assert.throws(
    () => engine.generate("The", { launch: "fixed:0" }),
    (error: Error) => error instanceof RangeError && /^Cannot launch by "fixed:0"/.test(error.message),
  );
});

test("what was calibrated stands in the trace", async () => {
  const { events } = await finished(engine.generate("The", { raw: true, maxTokens: 4 }));
  const { costs } = events[0] as Start;
  assert.ok(costs!.otherIdle.draftMs! > 0 && costs!.otherIdle.verifyMs[4]! > 0 && costs!.otherBusy.verifyMs[1]! > 0);
});

test("what can't be loaded is refused, and leaves no file open", async () => {
  const part = Deno.readFileSync(draftPath).slice(0, -1000);
  Deno.writeFileSync(`${folder}/cut.gguf`, part);
  const tokens = Array.from({ length: VOCABULARY }, (_, i) => `${i}`);
  const other = writeModel("other", {
    metadata: [["tokenizer.ggml.tokens", "string[]", tokens], ["tokenizer.ggml.merges", "string[]", []]],
  });
  const longer = writeModel("longer", { vocabulary: VOCABULARY + 1, metadata: [] });
  const cases: [Parameters<typeof load>[0], RegExp][] = [
    [{ verify: `${folder}/none.gguf` }, /^Cannot open ".*none\.gguf": there is no such file; check the path$/],
    [{ verify: verifyPath, draft: `${folder}/none.gguf` }, /^Cannot open ".*none\.gguf": there is no such file/],
    [{ verify: verifyPath, draft: `${folder}/cut.gguf` }, /^Cannot read model ".*cut\.gguf": it is cut short/],
    [
      { verify: verifyPath, draft: other },
      /^Cannot draft with ".*other\.gguf": it has 3 % of the verify model's 287 tokens of text, wanted 50 % /,
    ],
    [{ verify: verifyPath, context: TRAINED_CONTEXT + 1 }, /^Cannot use a context of 257: .* give 2 to 256$/],
    [{ verify: verifyPath, context: 1 }, /^Cannot use a context of 1: .* give 2 to 256$/],
    [{ verify: verifyPath, verifyDevice: "none such" }, /^Cannot use device "none such": .*; there is 0 "/],
    [{ verify: verifyPath, draft: longer, draftDevice: "99" }, /^Cannot use device "99": .*; there is 0 "/],
  ];
  for (const [options, message] of cases) await refused(load(options), message);
  assert.ok(!(await openModelFiles())?.length);
});

test("a chat feeds what is new, and answers as without a cache", async () => {
  const chat = engine.chat({ system: "Be brief" });
  const messages: ChatMessage[] = [{ role: "system", content: "Be brief" }];
  const turns: [string, StrategyName][] = [["Hello", "amusd"], ["And then?", "sd"], ["More", "greedy"], [
    "End",
    "amusd",
  ]];
  const records: GenerationRecord[] = [];
  for (const [content, strategy] of turns) {
    // The default launch rule may pause drafting, and then feeds the draft lane nothing.
    const record = await finished(chat.send(content, { strategy, launch: "published", maxTokens: 16 }));
    messages.push({ role: "user", content }, { role: "assistant", content: record.text });
    assert.equal(chat.messages, messages);
    const before = records.at(-1);
    const shared = before ? sharedLength(record.promptTokens, [...before.promptTokens, ...before.tokens]) : 0;
    assert.ok(!before || shared >= before.promptTokens.length, `${shared} shared tokens`);
    const fed = firstFed(record);
    assert.is(fed.verify, shared, `turn ${content}`);
    // A greedy turn feeds the draft lane nothing, so its cache is of no known use in the next.
    const drafted = before && before.strategy !== "greedy";
    if (drafted && strategy !== "greedy") {
      assert.ok(fed.draft! >= before.promptTokens.length - 1 && fed.draft! <= shared, `turn ${content}: ${fed.draft}`);
    }
    records.push(record);
  }
  for (const { promptTokens, tokens } of records) assert.equal(await afresh(promptTokens, 16), tokens);
});

test("a chat goes on after others' generations, also one that came between its sending and its run", async () => {
  const chat = engine.chat();
  const first = await finished(chat.send("Hello there", { maxTokens: 12 }));
  await afresh("Another text", 12);
  const second = await finished(chat.send("Again", { maxTokens: 12 }));
  const sent = chat.send("A third time", { maxTokens: 12 });
  await afresh("<user:Hello there, but another text", 12);
  const third = await finished(sent);
  assert.is(chat.messages.length, 6);
  for (const { promptTokens, tokens } of [first, second, third]) assert.equal(await afresh(promptTokens, 12), tokens);
});

test("two chats take turns", async () => {
  const chats = [engine.chat(), engine.chat({ system: "Another" })];
  const records: GenerationRecord[] = [];
  for (const content of ["One", "Two"]) {
    for (const chat of chats) records.push(await finished(chat.send(content, { maxTokens: 12 })));
  }
  for (const { promptTokens, tokens } of records) assert.equal(await afresh(promptTokens, 12), tokens);
});

test("a turn that is aborted or broken off joins the chat as far as it came", async () => {
  for (const strategy of STRATEGY_NAMES) {
    const chat = engine.chat();
    const abort = new AbortController();
    const aborted = chat.send("Hello", { strategy, signal: abort.signal });
    await readUntil(aborted, 4, () => abort.abort());
    const { text, tokens, finishReason, record } = await aborted;
    assert.is(finishReason, "abort");
    assert.equal(chat.messages.at(-1), { role: "assistant", content: text });

    const broken = chat.send("Once more", { strategy });
    await readUntil(broken, 4, () => false);
    assert.is(await broken.finishReason, "return");
    assert.equal(chat.messages.slice(2), [
      { role: "user", content: "Once more" },
      { role: "assistant", content: await broken.text },
    ]);

    chat.send("Never asked for");
    assert.is(chat.messages.length, 4);
    const last = await finished(chat.send("And now?", { strategy, maxTokens: 12 }));
    assert.is(chat.messages.length, 6);
    assert.ok(
      firstFed(last).verify! >= (await broken.record).promptTokens.length,
      "what was answered is in the cache",
    );
    assert.equal(await afresh(last.promptTokens, 12), last.tokens);
    assert.equal(tokens, await afresh(record.promptTokens, tokens.length));
  }
});

test("one generation at a time", async () => {
  const chat = engine.chat();
  const first = engine.generate("Hello", { maxTokens: 12 });
  const refusals: Promise<void>[] = [];
  await readUntil(first, 1, () => {
    if (refusals.length > 0) return;
    for (const other of [engine.generate("Another"), chat.send("Another")]) {
      refusals.push(refused(Array.fromAsync(other), /^Cannot generate: another generation is running; /));
      refusals.push(refused(other.text, /^Cannot generate: another generation is running; /));
    }
  });
  await Promise.all(refusals);
  assert.is(refusals.length, 4);
  const { tokens } = await first;
  assert.is(tokens.length, 12);
  assert.equal(chat.messages, []);
  assert.equal((await engine.generate("Hello", { maxTokens: 12 })).tokens, tokens);
});

test("two turns sent at once: the second one is refused, and can be sent anew", async () => {
  const chat = engine.chat();
  const [one, two] = [chat.send("One", { maxTokens: 4 }), chat.send("Two", { maxTokens: 4 })];
  await one;
  await refused(two.text, /^Cannot answer: the conversation has gone on since this was sent; send it anew$/);
  await chat.send("Two", { maxTokens: 4 });
  assert.equal(chat.messages.map(({ role }) => role), ["user", "assistant", "user", "assistant"]);
});

test("a prompt that does not fit is refused at once", () => {
  const long = "x".repeat(TRAINED_CONTEXT);
  assert.throws(
    () => engine.generate(long, { raw: true }),
    /^Cannot generate after a prompt of 256 tokens: the context/,
  );
  assert.throws(() => engine.generate("", { raw: true }), /^Cannot generate after an empty prompt/);
  assert.throws(() => engine.chat().send(long), /^Cannot generate after a prompt of/);
  assert.throws(() => engine.generate([VOCABULARY]), /^Cannot generate after token 320/);
});

test("a lost draft device costs one warning; a lost verify device ends the run after its text", async () => {
  const options = { raw: true, maxTokens: 120 };
  const wanted = await finished(engine.generate("The", { ...options, strategy: "greedy" }));
  const warnings: string[] = [];
  const warn = (line: string) => warnings.push(line);

  // By sd, which always drafts: amusd may have drafting off just then, and not miss the device.
  const lost = engine.generate("The", { ...options, strategy: "sd", warn });
  await readUntil(lost, 8, () => gpus.get("draft")!.destroy());
  assert.equal(await lost.tokens, wanted.tokens);
  assert.is(await lost.finishReason, "length");
  assert.is(warnings.length, 1, warnings.join("\n"));
  assert.match(warnings[0]!, /^The draft device was lost: .*; going on without it$/);
  assert.not(engine.drafts);

  for (const strategy of [undefined, ...STRATEGY_NAMES]) {
    const { tokens, lanes } = await finished(engine.generate("The", { ...options, strategy, warn }));
    assert.equal(tokens, wanted.tokens);
    assert.is(lanes.length, 1);
  }
  assert.is(warnings.length, 1, "it is told once");

  const chat = engine.chat();
  const ended = chat.send("Hello", { maxTokens: 200, warn });
  const { text, error } = await readUntil(ended, 8, () => gpus.get("verify")!.destroy());
  assert.instance(error, LaneLostError);
  assert.match((error as Error).message, /^The verify device was lost: /);
  const record = await ended.record;
  assert.ok(record.tokens.length >= 8);
  assert.is(record.text, text);
  assert.is(record.finishReason, "error");
  await refused(ended.text, /^The verify device was lost: /);
  assert.equal(chat.messages, [], "a turn that failed is not a part of the chat");
  await refused(Array.fromAsync(engine.generate("The", options)), /^The verify device was lost: /);
  await engine.close();
  await refused(
    Array.fromAsync(engine.generate("The", options)),
    /^Cannot generate: the engine is closed; load one anew$/,
  );
  await assertFreed();
  await engine.close();
});

for (const strategy of ["sd", "amusd"] as const) {
  test(`a verify device lost beside a live draft device ends ${strategy}`, async () => {
    const engine = await load({ verify: verifyPath, draft: draftPath });
    const generation = engine.generate("The", { raw: true, strategy, maxTokens: 200 });
    const { text, error } = await readUntil(generation, 8, () => gpus.get("verify")!.destroy());
    assert.instance(error, LaneLostError);
    assert.is((error as LaneLostError).lane, "verify");
    const record = await generation.record;
    assert.is(record.text, text);
    assert.ok(record.tokens.length >= 8);
    await engine.close();
    await assertFreed();
  });
}

interface Golden {
  readonly name: string;
  readonly prompt: string;
  readonly promptTokens: readonly number[];
  readonly tokens: readonly number[];
  readonly margins: readonly number[];
}

test(
  "the embedded pair writes what an oracle says, by each strategy, to the end of the text",
  async () => {
    const goldens: readonly Golden[] = JSON.parse(
      Deno.readTextFileSync(new URL("../goldens/verify.json", import.meta.url)),
    );
    const find = (name: string) => goldens.find((golden) => golden.name === name)!;
    const models = new URL("../../models/", import.meta.url).pathname;
    const files = {
      verify: `${models}smollm2-135m-instruct-q4_1.gguf`,
      draft: `${models}smollm2-draft-42m-q8_0.gguf`,
    };
    const pair = await load({ ...files, context: 256 });
    const check = ({ promptTokens, tokens }: GenerationRecord, golden: Golden) => {
      const close = golden.margins.findIndex((margin) => margin < 0.01);
      const sure = Math.min(tokens.length, close < 0 ? Infinity : close);
      assert.ok(sure >= 16, `${sure} tokens to compare`);
      assert.equal(promptTokens, golden.promptTokens);
      assert.equal(tokens.slice(0, sure), golden.tokens.slice(0, sure));
    };

    const raw = find("HumanEval/2");
    const ended = await finished(pair.generate(raw.promptTokens, { strategy: "amusd" }));
    check(ended, raw);
    assert.is(ended.finishReason, "eos");
    assert.is(ended.tokens.length, raw.tokens.indexOf(2) + 1);

    const chat = pair.chat();
    const drafting = { strategy: "amusd", launch: "published" } as const;
    const first = await finished(chat.send(find("mt_bench/130").prompt, { ...drafting, maxTokens: 24 }));
    check(first, find("mt_bench/130"));
    const second = await finished(chat.send("Thanks", { ...drafting, maxTokens: 4 }));
    const fed = firstFed(second);
    const length = first.promptTokens.length + first.tokens.length;
    assert.is(fed.verify, length - 1, "the answer is not fed again, but for its last token");
    // How much of the answer it has depends on how far it got.
    assert.ok(
      fed.draft! < length && fed.draft! >= first.promptTokens.length - 1,
      `the draft lane has the prompt: ${fed.draft}`,
    );
    for (const strategy of ["greedy", "sd"] as const) {
      const { tokens } = await finished(pair.generate(first.promptTokens, { strategy, maxTokens: 24 }));
      assert.equal(tokens, first.tokens, strategy);
    }
    // By default what followed in the text before is drafted too, where the launch rule weighs drafts.
    const refrain = "The cat sat on the mat. ".repeat(6);
    for (const [launch, looksUp] of [["adaptive", true], ["published", false]] as const) {
      const { events } = await finished(pair.generate(refrain, { raw: true, launch, maxTokens: 30 }));
      const lookedUp = events.some((event) => event.kind === "operation" && (event.lookedUp ?? 0) > 0);
      assert.is(lookedUp, looksUp, launch);
    }
    const sampling = { temperature: 0.7, topK: 100, topP: 0.95, seed: 1 };
    const draw = async (engine: Engine, options: GenerationOptions) =>
      (await finished(engine.generate(raw.promptTokens, { ...options, ...sampling, maxTokens: 24 }))).tokens;
    const drawn = await draw(pair, { strategy: "greedy" });
    assert.ok(sharedLength(drawn, ended.tokens) < 24, "another text than greedy's");
    assert.equal(await draw(pair, { strategy: "sd", lookahead: 4 }), drawn);
    await pair.close();
    await assertFreed();
    const limited = await load({ ...files, context: 256, draftVocabulary: 8192 });
    for (const strategy of ["sd", "amusd"] as const) assert.equal(await draw(limited, { strategy }), drawn);
    await limited.close();
  },
);

test.after(async () => {
  adapterPrototype.requestDevice = requestDevice;
  await Deno.remove(folder, { recursive: true });
});

test("an engine without a draft model drafts by look-up, and writes the same", async () => {
  await using ngram = await load({ verify: verifyPath, drafter: "ngram" });
  assert.ok(ngram.drafts);
  const generate = (strategy: StrategyName) =>
    finished(ngram.generate("a b c a b c a b", { raw: true, strategy, maxTokens: 60 }));
  const wanted = (await generate("greedy")).tokens;
  for (const strategy of STRATEGY_NAMES) {
    const { tokens, drafted, devices } = await generate(strategy);
    assert.equal(tokens, wanted, strategy);
    assert.is(drafted > 0, strategy !== "greedy");
    assert.is(devices.draft, "n-gram look-up");
  }
});

test.run();
