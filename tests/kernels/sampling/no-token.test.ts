// What may not be chosen: tokens that the model lacks, and any token where a logit is no number.

import { test } from "uvu";
import * as assert from "uvu/assert";
import type { KernelContext } from "../../../src/kernels/kernel-context.ts";
import { logitsEpilogue } from "../../../src/kernels/matmul/epilogues.ts";
import { createMatmul } from "../../../src/kernels/matmul/matmul.ts";
import { CHOSEN_BYTES, createArgmax, createArgmaxTiles } from "../../../src/kernels/sampling/argmax.ts";
import { Sampler } from "../../../src/kernels/sampling/sampling.ts";
import { loadMatrix } from "../../../src/llama/weights.ts";
import { NO_TOKEN } from "../../../src/spec/lanes/lane.ts";
import type { Sampling } from "../../../src/util/sampling.ts";
import { withDevice } from "../../with-device.ts";
import { memoryTensor, product, randoms, StepBuffer, VARIANT_CASES, write } from "../kernel-fixture.ts";
import { scores } from "./reference-sampling.ts";

const K = 32;
const VOCABULARY = 301;
const ROWS = 6;
const ROOM = 16;
const PLAIN: Sampling = { temperature: 0.8, topK: 0, topP: 1, minP: 0, seed: 9 };
const SAMPLINGS: readonly (Sampling | null)[] = [null, PLAIN, { ...PLAIN, topK: 40, topP: 0.9, minP: 0.01 }];

/** The choices after ROWS rows of the product of `weights` [VOCABULARY][K] and x, [ROWS][K], with their confidences. */
async function createChooser(context: KernelContext, weights: Float32Array, lacking?: ReadonlySet<number>) {
  const { device, variant } = context;
  const step = new StepBuffer(device);
  const rows = context.createRows("x", ROOM, K);
  // RMSNorm's factor is 1.
  const squares = device.upload("squares", new Float32Array(ROOM * K / variant.tileN).fill(variant.tileN));
  const logits = device.storage("logits", ROOM * VOCABULARY * 4);
  const argmaxTiles = createArgmaxTiles(context, ROOM, VOCABULARY);
  const chosen = device.storage("chosen", ROOM * CHOSEN_BYTES);
  const words = new Uint32Array(Math.ceil(VOCABULARY / 32));
  for (const token of lacking ?? []) words[token >> 5]! |= 1 << token % 32;
  const epilogue = logitsEpilogue(
    context,
    { hidden: K, epsilon: 1e-9, squares },
    VOCABULARY,
    { logits, argmaxTiles },
    lacking && device.upload("lacking", words),
  );
  const plan = { name: "output", tensors: [memoryTensor("F32", K, weights)], arrangement: "concatenate" } as const;
  const matmul = await createMatmul(context, await loadMatrix(context, plan, () => {}), step.buffer, rows, epilogue);
  const tokens = device.storage("tokens", ROOM * 4);
  const argmax = await createArgmax(context, VOCABULARY, [step.buffer, argmaxTiles, logits, chosen, tokens]);
  const input = { rows: ROOM, vocabulary: VOCABULARY, step: step.buffer, logits, argmaxTiles };
  let sampler: Sampler | undefined;
  return async (x: Float32Array<ArrayBuffer>, sampling: Sampling | null) => {
    write(device, rows, x);
    if (sampling) {
      sampler ??= await Sampler.create(context, input);
      sampler.write(sampling);
    }
    step.run([...matmul, ...sampling ? sampler!.kernels(sampling) : [], argmax], ROWS);
    const words = new Uint32Array(await device.read(chosen, ROWS * CHOSEN_BYTES));
    const confidences = new Float32Array(words.buffer);
    return Array.from({ length: ROWS }, (_, i) => ({
      token: words[3 * i]!,
      confidence: confidences[3 * i + 1]!,
      runnerUp: words[3 * i + 2]!,
    }));
  };
}

const x = randoms(1, ROWS * K);
const weights = randoms(2, VOCABULARY * K);
/** The value in which one token alone is large enough for a product that overflows. */
const LARGE_TOKEN = 200;
weights.forEach((value, i) => i % K === 7 && (weights[i] = i === LARGE_TOKEN * K + 7 ? 4 : value / 4));

const SPOILT: Readonly<Record<string, readonly [index: number, value: number]>> = {
  "a NaN": [5, NaN],
  "an infinity": [5, Infinity],
  "a negative infinity": [5, -Infinity],
  "a product that overflows": [7, 3e38],
  "a product that overflows below": [7, -3e38],
};

const logits = product(weights, x, K);
const rowOf = (row: number) => logits.slice(row * VOCABULARY, (row + 1) * VOCABULARY);
const likeliest = Array.from({ length: ROWS }, (_, row) => rowOf(row).indexOf(Math.max(...rowOf(row))));
/** Rows' best tokens, two whole tiles, and the ends, but not the token whose product overflows. */
const LACKING = new Set([...likeliest, ...Array.from({ length: 64 }, (_, i) => 32 + i), 0, 3, VOCABULARY - 2]);
LACKING.delete(LARGE_TOKEN);

for (const { title, adapter, contextOf } of VARIANT_CASES) {
  const isDefault = title === "default variant";
  // The sampler doesn't depend on the variant, and llvmpipe takes long to compile its barriers.
  const samplings = isDefault ? SAMPLINGS : [null];

  await withDevice(
    `${title}: a lacking token is neither first nor second; a row with a NaN has none`,
    async (device) => {
      const choose = await createChooser(contextOf(device), weights, LACKING);
      for (const sampling of samplings) {
        const wanted = await choose(x, sampling);
        for (const [row, { token, runnerUp, confidence }] of wanted.entries()) {
          const own = rowOf(row).map((logit, token) => LACKING.has(token) ? -Infinity : logit);
          const ranked = sampling ? scores(own, sampling, row + 1) : own;
          const order = Array.from(ranked.keys()).sort((a, b) => ranked[b]! - ranked[a]! || a - b);
          const share = 1 / ranked.reduce((sum, score) => sum + Math.exp(score - ranked[order[0]!]!), 0);
          assert.is(token, order[0]);
          assert.is(runnerUp, order[1]);
          assert.ok(Math.abs(confidence - share) < 1e-4 * share, `${confidence}, wanted ${share}`);
        }
        for (const [name, [index, value]] of Object.entries(SPOILT)) {
          for (const row of [0, 3, ROWS - 1]) {
            const spoilt = x.slice();
            spoilt[row * K + index] = value;
            const got = await choose(spoilt, sampling);
            const where = `${name} in row ${row}, ${sampling ? "sampled" : "greedy"}`;
            assert.is(got[row]!.token, NO_TOKEN, where);
            assert.is(got[row]!.confidence, 0, where);
            assert.equal(got.toSpliced(row, 1), wanted.toSpliced(row, 1), where);
          }
        }
      }
    },
    { adapter },
  );

  if (!isDefault) continue;
  await withDevice(
    `${title}: a NaN in any of the weights is told`,
    async (device) => {
      const damaged = weights.slice();
      damaged[(VOCABULARY - 1) * K + 3] = NaN;
      const choose = await createChooser(contextOf(device), damaged);
      for (const { token } of await choose(x, null)) assert.is(token, NO_TOKEN);
    },
    { adapter },
  );
}

test.run();
