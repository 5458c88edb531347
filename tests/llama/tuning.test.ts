// Which kernels a device runs: the table's file, the choice, and what the tuner measures.

import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Device } from "../../src/gpu/device.ts";
import { getEnv, setEnv } from "../../src/platform/platform.ts";
import { defaultVariant, possibleVariants } from "../../src/kernels/kernel-variant.ts";
import { choicesOf, choose, scoreOf, tune } from "../../src/llama/tune.ts";
import {
  chooseVariant,
  mainShape,
  parseTable,
  type TunedVariant,
  tunedVariant,
  tuningKey,
  writeChoices,
} from "../../src/llama/tuning.ts";
import { assertClose, assertSameBits } from "../kernels/kernel-fixture.ts";
import { withDevice } from "../with-device.ts";
import { openBytes, randomLlama } from "../checkpoint/gguf-builder.ts";
import { load, SMALL, tokensOf, verifyAll } from "./llama-fixture.ts";
import { ReferenceLlama } from "./reference-llama.ts";

const KEY = { adapter: "one", driver: "1.0", threads: null, kernels: "abc" };
const CHOICES: readonly TunedVariant[] = [{ type: "Q4_1", columns: 768, variant: "split-32" }];
const TABLE = { format: "amusd tuning", ...KEY, choices: CHOICES };
const LANES = ["split-32", "split-64"];

test("a table gives its choices for its own key, and none for another", () => {
  assert.equal(parseTable(JSON.stringify(TABLE), KEY, LANES), CHOICES);
  for (const other of [{ adapter: "two" }, { driver: "1.1" }, { threads: "1" }, { kernels: "abd" }]) {
    assert.equal(parseTable(JSON.stringify(TABLE), { ...KEY, ...other }, LANES), []);
  }
});

for (
  const [what, content] of [
    ["cut short", JSON.stringify(TABLE).slice(0, -1)],
    ["empty", ""],
    ["no object", "null"],
    ["of another format", JSON.stringify({ ...TABLE, format: "x" })],
    ["without choices", JSON.stringify({ ...TABLE, choices: {} })],
    ...[null, { ...CHOICES[0], type: "Q9" }, { ...CHOICES[0], columns: 0 }, { ...CHOICES[0], variant: "rows-16" }]
      .map((choice) =>
        [`with the choice ${JSON.stringify(choice)}`, JSON.stringify({ ...TABLE, choices: [choice] })] as const
      ),
  ] as const
) {
  test(`a table that is ${what} is damaged`, () => {
    assert.throws(
      () => parseTable(content, KEY, LANES),
      (error: Error) => error instanceof SyntaxError || error instanceof TypeError,
    );
  });
}

test("the least score is chosen, but the default stays where it is hardly slower", () => {
  const measured = (...scores: (number | null)[]) => scores.map((score, i) => ({ score, isDefault: i === 0 }));
  assert.is(choose(measured(1, 0.96, 2)), 0);
  assert.is(choose(measured(1, 0.94, 0.93)), 2);
  assert.is(choose(measured(null, 3, 2)), 2);
  assert.is(choose(measured(null, null)), -1);
  // Twice as slow with one row weighs as much as four times with two rows, or 2 ** 5 in the mean's fifth power.
  assert.ok(Math.abs(scoreOf([2, 1, 1, 1]) - 2 ** 0.4) < 1e-12);
  assert.ok(Math.abs(scoreOf([1, 1, 8, 1]) - 2 ** 0.6) < 1e-12);
});

await withDevice("the choice is that of the nearest columns, if the device can run it", async (device) => {
  const [first, last] = [possibleVariants(device)[0]!.name, possibleVariants(device).at(-1)!.name];
  const choices: TunedVariant[] = [
    { type: "Q4_1", columns: 768, variant: first },
    { type: "Q4_1", columns: 4096, variant: last },
    { type: "Q8_0", columns: 768, variant: "rows-64" },
  ];
  assert.is(chooseVariant(device, choices, "Q4_1", 576).name, first);
  assert.is(chooseVariant(device, choices, "Q4_1", 1700).name, first);
  assert.is(chooseVariant(device, choices, "Q4_1", 1800).name, last);
  for (const type of ["Q8_0", "F16"]) {
    assert.is(chooseVariant(device, choices, type, 768).name, defaultVariant(device).name);
  }
});

/** Runs with a cache folder of its own; gives what was noted on stderr. */
async function withCache(body: (folder: string) => Promise<void>): Promise<string[]> {
  const before = ["XDG_CACHE_HOME", "AMUSD_TUNING"].map((name) => [name, getEnv(name)] as const);
  const folder = await Deno.makeTempDir();
  const lines: string[] = [];
  const { error } = console;
  console.error = (line: string) => lines.push(line);
  setEnv("XDG_CACHE_HOME", folder);
  setEnv("AMUSD_TUNING", undefined);
  try {
    await body(folder);
  } finally {
    console.error = error;
    for (const [name, value] of before) setEnv(name, value);
    await Deno.remove(folder, { recursive: true });
  }
  return lines;
}

const otherVariant = (device: Device) =>
  possibleVariants(device).find(({ name }) => name !== defaultVariant(device).name)!.name;

// XDG_CACHE_HOME moves the cache on Linux only.
(Deno.build.os === "linux" ? withDevice : (name: string) => test.skip(name, () => {}))(
  "what is kept is found by a model of that format, on that device",
  async (device) => {
    const checkpoint = await openBytes(randomLlama(SMALL));
    assert.equal(mainShape(checkpoint), { type: "Q4_1", columns: 64 });
    const [usual, other] = [defaultVariant(device).name, otherVariant(device)];
    const lines = await withCache(async () => {
      assert.is((await tunedVariant(device, checkpoint)).name, usual);
      const file = await writeChoices(device, [{ type: "Q4_1", columns: 768, variant: other }]);
      assert.is((await tunedVariant(device, checkpoint)).name, other);
      assert.equal([...Deno.readDirSync(file.replace(/[^/]+$/, ""))].length, 1, "nothing half-written is left");
      setEnv("AMUSD_TUNING", "off");
      assert.is((await tunedVariant(device, checkpoint)).name, usual);
      setEnv("AMUSD_TUNING", undefined);
      // Another number of threads has a table of its own.
      const threads = getEnv("LP_NUM_THREADS");
      setEnv("LP_NUM_THREADS", "7");
      assert.is((await tunedVariant(device, checkpoint)).name, usual);
      setEnv("LP_NUM_THREADS", threads);
      // Another device's file in this one's place.
      const table = JSON.parse(Deno.readTextFileSync(file));
      Deno.writeTextFileSync(file, JSON.stringify({ ...table, driver: "another" }));
      assert.is((await tunedVariant(device, checkpoint)).name, usual);
    });
    assert.equal(lines, []);
    const warnings = await withCache(async () => {
      const file = await writeChoices(device, [{ type: "Q4_1", columns: 768, variant: other }]);
      Deno.truncateSync(file, 100);
      for (let i = 0; i < 2; i++) assert.is((await tunedVariant(device, checkpoint)).name, usual);
    });
    assert.is(warnings.length, 1);
    assert.match(warnings[0]!, /^Cannot use the tuning of [^\n]+ no JSON, or cut short; [^\n]+$/);
  },
);

await withDevice("the key changes with what the figures depend on", async (device) => {
  const { adapter, driver, threads, kernels } = tuningKey(device);
  assert.is(adapter, device.adapter.name);
  assert.is(driver, device.adapter.driver);
  assert.is(threads, getEnv("LP_NUM_THREADS") ?? null);
  assert.match(kernels, /^[0-9a-f]{64}$/);
});

// llvmpipe is slow to compile barriers, which lanes that split k have.
const SWIFTSHADER = { adapter: "swiftshader" } as const;

await withDevice("the tuner times what is right, and chooses one for each format and shape", async (device) => {
  const shapes = [{ rows: 64, columns: 256 }];
  const types = ["Q4_1", "Q6_K", "F16"] as const;
  const measurements = await tune(device, { types, shapes });
  const variants = possibleVariants(device);
  assert.is(measurements.length, types.length * variants.length);
  assert.equal(choicesOf(measurements).map(({ type, columns }) => [type, columns]), types.map((type) => [type, 256]));
  for (const { ms, score, problem, variant, isDefault } of measurements) {
    // A product so small says little of which is faster, but none of the variants is wrong.
    assert.ok(problem === null || /^one row takes /.test(problem), `${variant}: ${problem}`);
    assert.is(isDefault, variant === defaultVariant(device).name);
    assert.is(ms === null, problem !== null);
    assert.ok(problem !== null || ms!.every((value) => value > 0 && value < Infinity) && score! > 0);
  }
}, SWIFTSHADER);

await withDevice("a variant whose products are wrong may not be chosen", async (device) => {
  const { queue } = device;
  const { writeBuffer } = queue;
  queue.writeBuffer = ((buffer: GPUBuffer, offset: number, data: Uint32Array<ArrayBuffer>, ...rest: number[]) => {
    const spoilt = data.slice();
    if (buffer.label.includes("weights")) spoilt[0] = spoilt[0]! ^ 15;
    writeBuffer.call(queue, buffer, offset, spoilt, ...rest);
  }) as typeof writeBuffer;
  const spoilt = await tune(device, { types: ["Q4_1"], shapes: [{ rows: 64, columns: 256 }] });
  queue.writeBuffer = writeBuffer;
  assert.equal(choicesOf(spoilt), []);
  for (const { problem } of spoilt) assert.match(problem!, /^a product of 8 rows is [^,]+, wanted [^,]+$/);
}, SWIFTSHADER);

await withDevice(
  "every variant gives the reference's logits, and a row the same bits alone as among 16",
  async (device) => {
    const checkpoint = await openBytes(randomLlama(SMALL));
    const tokens = tokensOf(20);
    const wanted = (await ReferenceLlama.load(checkpoint)).logits(tokens).flatMap((row) => [...row]);
    for (const variant of possibleVariants(device)) {
      const llama = await load(device, checkpoint, { variant, cache: "f32" });
      assert.is(llama.variant, variant);
      const alone = await verifyAll(llama, tokens, 1);
      assertClose(variant.name, alone, wanted, 5e-5, 5e-5);
      assertSameBits(variant.name, await verifyAll(llama, tokens, 16), alone);
    }
  },
  SWIFTSHADER,
);

test.run();
