// A chain of three models on real devices: random models, of which the middle one is nearer to the verify model than
// the draft is; and the embedded pair with a random model between the two.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { load } from "../../mod.ts";
import { listAdapters } from "../../src/gpu/adapters.ts";
import { requestAdapter } from "../../src/gpu/dawn.ts";
import { openModelFile } from "../../src/engine/model-pair.ts";
import type { GenerationOptions, StrategyName } from "../../src/engine/generation-run.ts";
import "../untuned.ts";
import { type MetadataEntry, randomLlama } from "../checkpoint/gguf-builder.ts";
import { randomModel } from "../random-models.ts";

const folder = await Deno.makeTempDir();
function writeModel(name: string, ...model: Parameters<typeof randomModel>): string {
  const path = `${folder}/${name}.gguf`;
  Deno.writeFileSync(path, randomModel(...model));
  return path;
}
const models = {
  verify: writeModel("verify"),
  middle: writeModel("middle", { ropeBase: 6000 }),
  draft: writeModel("draft", { ropeBase: 2000 }),
};

/** The devices of the engine loaded last, by label: to lose them. */
const gpus = new Map<string, GPUDevice>();
const adapterPrototype: GPUAdapter = Object.getPrototypeOf(await requestAdapter((await listAdapters())[0]!.request));
const { requestDevice } = adapterPrototype;
adapterPrototype.requestDevice = async function (descriptor) {
  const gpu = await requestDevice.call(this, descriptor);
  gpus.set(descriptor!.label!, gpu);
  return gpu;
};

const PROMPTS = ["abc", "the quick brown fox"];

test("a chain writes the verify model's text by every strategy, by argmax or drawn, turn after turn", async () => {
  const engine = await load(models);
  assert.equal(engine.models, models);
  assert.equal(Object.keys(engine.devices), ["verify", "draft", "middle"]);
  for (const prompt of PROMPTS) {
    for (const drawn of [{}, { temperature: 0.9, seed: 5 }]) {
      const write = async (strategy: StrategyName, more: GenerationOptions = {}) =>
        (await engine.generate(prompt, { raw: true, maxTokens: 60, strategy, ...drawn, ...more }).record).tokens;
      const wanted = await write("greedy");
      assert.equal(await write("sd"), wanted);
      assert.equal(await write("amusd"), wanted);
      assert.equal(await write("amusd", { launch: "published", reuseCache: true }), wanted);
    }
  }
  const record = await engine.generate("abc", { raw: true, maxTokens: 60, launch: "fixed:2" }).record;
  assert.equal(record.models, models);
  const accepted = record.events.filter((event) => event.kind === "commit").flatMap(({ tokens }) => tokens)
    .filter(({ origin }) => origin === "accepted").length;
  assert.ok(accepted > 10, `${accepted} of 60 tokens are the chain's`);
  const chat = engine.chat();
  for (const message of PROMPTS) await chat.send(message, { maxTokens: 8 });
  await engine.close();
  const freed = await Promise.all([...gpus.values()].map(({ lost }) => lost));
  assert.is(freed.length, 3);
});

test("a chain goes on from a text that a slot keeps", async () => {
  const engine = await load({ ...models, slots: 2 });
  const [one, other] = ["the quick brown fox jumps over it", "nothing that the other text begins with"];
  const write = (prompt: string, more: GenerationOptions = {}) =>
    engine.generate(prompt, { raw: true, maxTokens: 30, launch: "fixed:2", ...more }).record;
  const wanted = (await write(one)).tokens;
  for (const prompt of [one, other]) await write(prompt, { reuseCache: true });
  const { tokens, events } = await write(one, { reuseCache: true });
  assert.equal(tokens, wanted);
  const start = events.find((event) => event.kind === "start")!;
  for (const { name, cached } of start.lanes) assert.ok(cached >= start.promptTokens - 1, `${name}: ${cached}`);
  await engine.close();
});

for (const lost of ["middle", "draft"]) {
  test(`a chain goes on without its ${lost} device, with one warning`, async () => {
    const warnings: string[] = [];
    const warn = (line: string) => warnings.push(line);
    const engine = await load({ ...models, warn });
    const options = { raw: true, maxTokens: 80, warn };
    const wanted = (await engine.generate("abc", { ...options, strategy: "greedy" }).record).tokens;
    const generation = engine.generate("abc", options);
    let count = 0;
    for await (const { tokens } of generation) {
      if (count < 5 && count + tokens.length >= 5) gpus.get(lost)!.destroy();
      count += tokens.length;
    }
    assert.equal((await generation.record).tokens, wanted);
    assert.equal((await engine.generate("abc", options).record).tokens, wanted);
    assert.is(warnings.length, 1, warnings.join());
    assert.match(warnings[0]!, new RegExp(`^The ${lost} device was lost: .*; going on without it$`));
    await engine.close();
  });
}

/** A model with random weights, and that file's tokenizer. */
async function randomLike(path: string): Promise<string> {
  const { metadata, close } = await openModelFile(path).then(({ checkpoint }) => checkpoint);
  await close();
  const tokenizer = [...metadata].filter(([key]) => key.startsWith("tokenizer.")).map(([key, value]): MetadataEntry => {
    const typeOf = (value: unknown) =>
      typeof value === "string" ? "string" : typeof value === "boolean" ? "bool" : "i32";
    if (typeof value !== "object") return [key, typeOf(value), value as number];
    const values = Array.from(value as readonly (string | number)[]);
    return [key, `${typeOf(values[0])}[]`, values];
  });
  const sizes = { layers: 1, hidden: 64, heads: 1, kvHeads: 1, headSize: 64, feedForward: 64 };
  const vocabulary = (metadata.get("tokenizer.ggml.tokens") as readonly string[]).length;
  const bytes = randomLlama({ ...sizes, vocabulary, type: "Q8_0", tied: true, seed: 1, metadata: tokenizer });
  const made = `${folder}/random.gguf`;
  Deno.writeFileSync(made, bytes);
  return made;
}

test("the embedded pair with a random model between the two writes what the large one alone writes", async () => {
  const embedded = (name: string) => new URL(`../../models/${name}.gguf`, import.meta.url).pathname;
  const [verify, draft] = ["smollm2-135m-instruct-q4_1", "smollm2-draft-42m-q8_0"].map(embedded) as [string, string];
  const engine = await load({ verify, draft, middle: await randomLike(draft), context: 64 });
  const write = async (strategy: StrategyName) =>
    (await engine.generate("def add(a, b):", { raw: true, maxTokens: 16, strategy, launch: "fixed:1" }).record).tokens;
  const wanted = await write("greedy");
  assert.equal(await write("amusd"), wanted);
  await engine.close();
});

test("a middle model alone is refused", async () => {
  const error = await load({ verify: models.verify, middle: models.middle }).then(() => null, (error) => error);
  assert.match(
    String(error),
    /^TypeError: Cannot load a middle model alone: nothing drafts for it; give a draft model/,
  );
});

test.after(async () => await Deno.remove(folder, { recursive: true }));

test.run();
