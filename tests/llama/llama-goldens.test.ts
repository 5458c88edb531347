import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Device } from "../../src/gpu/device.ts";
import { openFile } from "../../src/platform/platform-file.ts";
import type { KvCacheType } from "../../src/kernels/attention/attention.ts";
import { llamaConfig } from "../../src/checkpoint/config.ts";
import { openGguf } from "../../src/checkpoint/gguf.ts";
import { Llama } from "../../src/llama/llama.ts";
import { MAX_ROWS } from "../../src/spec/lanes/lane.ts";
import { withDevice } from "../with-device.ts";

/** See tests/goldens/README.md. */
interface Golden {
  readonly name: string;
  readonly promptTokens: readonly number[];
  readonly tokens: readonly number[];
  readonly margins: readonly number[];
  readonly firstTop10: readonly (readonly [token: number, logit: number])[];
}

const ROOT = new URL("../../", import.meta.url);
const CAPACITY = 1024;
/** Where the oracle's two best logits are closer than this, rounding may choose the other one. */
const LEAST_MARGIN = 0.01;

async function load(device: Device, file: string, kvCache: KvCacheType): Promise<Llama> {
  const checkpoint = await openGguf(await openFile(fileURLToPath(new URL(`models/${file}.gguf`, ROOT))));
  try {
    return await Llama.load(device, checkpoint, await llamaConfig(checkpoint), { capacity: CAPACITY, kvCache });
  } finally {
    await checkpoint.close();
  }
}

/** Feeds the oracle's own tokens; asserts the first logits and counts the positions whose choice has to be equal. */
async function compare(llama: Llama, golden: Golden, tolerance: number, steps: number): Promise<number> {
  const { name, promptTokens, tokens, margins, firstTop10 } = golden;
  const start = promptTokens.length - 1;
  if (start > 0) await llama.prefill(promptTokens.slice(0, start), 0);
  const fed = [promptTokens.at(-1)!, ...tokens.slice(0, steps - 1)];
  let compared = 0;
  for (let at = 0; at < fed.length; at += MAX_ROWS) {
    const answer = await llama.verify(fed.slice(at, at + MAX_ROWS), start + at);
    if (at === 0) {
      const logits = await llama.logits(1);
      for (const [token, logit] of firstTop10) {
        const got = logits[token]!;
        assert.ok(Math.abs(got - logit) <= tolerance, `${name}: token ${token}: got ${got}, wanted ${logit}`);
      }
    }
    answer.tokens.forEach((token, i) => {
      if (margins[at + i]! < LEAST_MARGIN) return;
      compared++;
      assert.is(token, tokens[at + i], `${name}: step ${at + i}, margin ${margins[at + i]}`);
    });
  }
  return compared;
}

/** SwiftShader takes some tenths of a second a token: there, two short prompts and one pass of each. */
function affordable(
  device: Device,
  cases: readonly Golden[],
  steps: number,
): { some: readonly Golden[]; count: number } {
  if (!/swiftshader/i.test(device.adapter.name)) return { some: cases, count: steps };
  console.log("fewer golden cases, the adapter is SwiftShader");
  return { some: cases.filter(({ name }) => ["one token", "unicode"].includes(name)), count: MAX_ROWS };
}

/** The larger one answers half of its steps, to save time. */
const MODELS = [["draft", "smollm2-draft-42m-q8_0", 96], ["verify", "smollm2-135m-instruct-q4_1", 48]] as const;
for (const [which, file, steps] of MODELS) {
  const cases: Golden[] = JSON.parse(await Deno.readTextFile(new URL(`tests/goldens/${which}.json`, ROOT)));

  assert.ok(cases.length >= 14, `${cases.length} golden cases`);
  await withDevice(`${which} model: it chooses what the oracle chooses`, async (device) => {
    const llama = await load(device, file, "f16");
    const { some, count } = affordable(device, cases, steps);
    let compared = 0;
    for (const golden of some) compared += await compare(llama, golden, 0.05, count);
    const positions = some.length * count;
    assert.ok(some.length >= 2 && compared > 0.95 * positions, `${compared} of ${positions} compared`);
  });

  await withDevice(`${which} model: a float32 cache comes closer to the oracle's logits`, async (device) => {
    const llama = await load(device, file, "f32");
    const short = cases.filter(({ name }) => ["one token", "unicode", "mt_bench/111"].includes(name));
    assert.is(short.length, 3);
    const { some } = affordable(device, short, steps);
    for (const golden of some) await compare(llama, golden, 0.005, MAX_ROWS);
  });
}

test.run();
