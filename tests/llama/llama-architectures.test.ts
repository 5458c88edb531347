// The kernels against transformers, by the checkpoints of tests/checkpoint/architectures.test.ts.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { MAX_ROWS } from "../../src/spec/lanes/lane.ts";
import { openBytes } from "../checkpoint/gguf-builder.ts";
import { CHECKPOINTS, randomGguf } from "../checkpoint/random-checkpoint.ts";
import { withDevice } from "../with-device.ts";
import { load, verifyAll } from "./llama-fixture.ts";

interface Golden {
  readonly tokens: readonly number[];
  /** Every ninth logit, by the position. */
  readonly logits: Readonly<Record<string, readonly number[]>>;
  readonly answer: readonly number[];
  readonly margins: readonly number[];
}

const path = new URL("../goldens/architectures.json", import.meta.url);
const { cases } = JSON.parse(await Deno.readTextFile(path)) as { cases: Record<string, Golden> };
/** Both compute in float32; logits are of the order of 5. */
const TOLERANCE = 5e-4;

/** One of each architecture, and each kernel that one of them alone has: compiling takes most of the time. */
const SOME = ["llama-biases", "llama-yarn", "mistral-window", "qwen2-window", "qwen3", "smollm3-window"];

for (const name of SOME) {
  await withDevice(`${name}: logits and tokens are those of transformers`, async (device) => {
    const { tokens, logits, answer, margins } = cases[name]!;
    const checkpoint = await openBytes(randomGguf(CHECKPOINTS.find((model) => model.name === name)!)!);
    const llama = await load(device, checkpoint, { kvCache: "f32" });
    const { vocabulary } = llama.config;
    const all = [...tokens, ...answer.slice(0, -1)];
    const got = await verifyAll(llama, all, MAX_ROWS);
    for (const [position, wanted] of Object.entries(logits)) {
      wanted.forEach((value, i) => {
        const logit = got[Number(position) * vocabulary + i * 9]!;
        assert.ok(Math.abs(logit - value) < TOLERANCE, `logit ${i * 9} at ${position}: got ${logit}, wanted ${value}`);
      });
    }
    answer.forEach((token, i) => {
      const at = tokens.length - 1 + i;
      const row = got.subarray(at * vocabulary, (at + 1) * vocabulary);
      if (margins[i]! > 0.01) assert.is(row.indexOf(Math.max(...row)), token, `token ${i}`);
    });
  });
}

test.run();
