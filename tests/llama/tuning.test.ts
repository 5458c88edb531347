import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Device } from "../../src/gpu/device.ts";
import { getEnv, setEnv } from "../../src/platform/platform.ts";
import { defaultVariant, possibleVariants } from "../../src/kernels/kernel-variant.ts";
import {
  chooseVariant,
  mainShape,
  parseTable,
  type TunedVariant,
  tunedVariant,
  tuningKey,
  writeTuning,
} from "../../src/llama/tuning.ts";
import { withDevice } from "../with-device.ts";
import { openBytes, randomLlama } from "../checkpoint/gguf-builder.ts";
import { SMALL } from "./llama-fixture.ts";

const KEY = { adapter: "one", driver: "1.0", threads: null, kernels: "abc" };
const VARIANTS: readonly TunedVariant[] = [{ type: "Q4_1", k: 768, variant: "split-32" }];
const TABLE = { format: "amusd tuning", ...KEY, variants: VARIANTS };
const NAMES = ["split-32", "split-64"];

test("a table gives its variants for its own key, and none for another", () => {
  assert.equal(parseTable(JSON.stringify(TABLE), KEY, NAMES), VARIANTS);
  for (const other of [{ adapter: "two" }, { driver: "1.1" }, { threads: "1" }, { kernels: "abd" }]) {
    assert.equal(parseTable(JSON.stringify(TABLE), { ...KEY, ...other }, NAMES), []);
  }
});

for (
  const [what, content] of [
    ["cut short", JSON.stringify(TABLE).slice(0, -1)],
    ["empty", ""],
    ["no object", "null"],
    ["of another format", JSON.stringify({ ...TABLE, format: "x" })],
    ["without variants", JSON.stringify({ ...TABLE, variants: {} })],
    ...[null, { ...VARIANTS[0], type: "Q9" }, { ...VARIANTS[0], k: 0 }, { ...VARIANTS[0], variant: "rows-16" }]
      .map((one) =>
        [`with the variant ${JSON.stringify(one)}`, JSON.stringify({ ...TABLE, variants: [one] })] as const
      ),
  ] as const
) {
  test(`a table that is ${what} is damaged`, () => {
    assert.throws(
      () => parseTable(content, KEY, NAMES),
      (error: Error) => error instanceof SyntaxError || error instanceof TypeError,
    );
  });
}

await withDevice("the variant is the one tuned for the nearest k, if the device can run it", async (device) => {
  const [first, last] = [possibleVariants(device)[0]!.name, possibleVariants(device).at(-1)!.name];
  const tuned: TunedVariant[] = [
    { type: "Q4_1", k: 768, variant: first },
    { type: "Q4_1", k: 4096, variant: last },
    { type: "Q8_0", k: 768, variant: "rows-64" },
  ];
  assert.is(chooseVariant(device, tuned, "Q4_1", 576).name, first);
  assert.is(chooseVariant(device, tuned, "Q4_1", 1700).name, first);
  assert.is(chooseVariant(device, tuned, "Q4_1", 1800).name, last);
  for (const type of ["Q8_0", "F16"]) {
    assert.is(chooseVariant(device, tuned, type, 768).name, defaultVariant(device).name);
  }
});

/** Runs with a cache folder of its own; gives the lines that were noted on stderr. */
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
    assert.equal(mainShape(checkpoint), { type: "Q4_1", k: 64 });
    const [usual, other] = [defaultVariant(device).name, otherVariant(device)];
    const lines = await withCache(async () => {
      assert.is((await tunedVariant(device, checkpoint)).name, usual);
      const file = await writeTuning(device, [{ type: "Q4_1", k: 768, variant: other }]);
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
      const file = await writeTuning(device, [{ type: "Q4_1", k: 768, variant: other }]);
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

test.run();
