// The profile: what its sums must be, on devices with a clock and without.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { defaultVariant } from "../../src/kernels/kernel-variant.ts";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import type { Llama } from "../../src/llama/llama.ts";
import { profileLlama, type StepProfile } from "../../src/llama/profile.ts";
import { matrixBytes } from "../../src/llama/weights.ts";
import { usualRows } from "../../src/cli/profile.ts";
import { withDevice } from "../with-device.ts";
import { openBytes, randomLlama } from "../checkpoint/gguf-builder.ts";
import { load, SMALL, tokensOf } from "./llama-fixture.ts";

const POSITION = 40;
const MATRICES = ["qkv", "attention output", "gate and up", "down", "output"];
const sum = (step: StepProfile, key: "bytes" | "multiplyAdds", kernels = MATRICES) =>
  step.kernels.filter(({ kernel }) => kernels.includes(kernel)).reduce((total, kernel) => total + kernel[key], 0);

/** The matrices that a step reads, by tensors: those of one product are padded to whole tiles together. */
function fileMatrices(checkpoint: Checkpoint, llama: Llama): { bytes: number; weights: number } {
  const tensor = (name: string) => checkpoint.tensors.get(`${name}.weight`)!;
  const products = Array.from({ length: llama.config.layers }, (_, i) =>
    [
      ["attn_q", "attn_k", "attn_v"],
      ["attn_output"],
      ["ffn_gate", "ffn_up"],
      ["ffn_down"],
    ].map((names) => names.map((name) => tensor(`blk.${i}.${name}`)))).flat();
  products.push([checkpoint.tensors.get("output.weight") ?? tensor("token_embd")]);
  return {
    bytes: products.reduce(
      (total, tensors) => total + matrixBytes({ name: "", tensors, arrangement: "concatenate" }, llama.context.variant),
      0,
    ),
    weights: products.flat().reduce((total, { shape }) => total + shape[0]! * shape[1]!, 0),
  };
}

for (const tied of [true, false]) {
  await withDevice(`the work is that of all matrices, ${tied ? "tied" : "untied"}`, async (device) => {
    const checkpoint = await openBytes(randomLlama({ ...SMALL, tied }));
    const llama = await load(device, checkpoint, { kvCache: "f16" });
    const { bytes, weights } = fileMatrices(checkpoint, llama);
    const { steps, peak, variant } = await profileLlama(llama, POSITION, [1, 4]);
    assert.is(variant, defaultVariant(device).name);
    assert.ok(peak.bytesPerMs > 0 && peak.multiplyAddsPerMs > 0);
    assert.equal(steps.map(({ rows, position }) => [rows, position]), [[1, POSITION], [4, POSITION]]);
    const { layers, heads, kvHeads, headSize, hidden, feedForward, vocabulary } = llama.config;
    // bench/speed.ts counts so, too.
    const inLayer = 2 * hidden * headSize * (heads + kvHeads) + 3 * hidden * feedForward;
    assert.is(weights, layers * inLayer + hidden * vocabulary);
    for (const step of steps) {
      const { rows, kernels, dispatches } = step;
      assert.is(sum(step, "bytes"), bytes);
      assert.is(sum(step, "multiplyAdds"), rows * weights);
      assert.is(dispatches, 5 * layers + 3);
      assert.is(kernels.reduce((total, kernel) => total + kernel.dispatches, 0), dispatches);
      assert.equal(kernels.map(({ kernel }) => kernel), [
        "embed",
        "qkv",
        "attention",
        "attention output",
        "gate and up",
        "down",
        "output",
        "argmax",
      ]);
      // Keys and values of all positions; row i looks at POSITION + i + 1 of them.
      assert.is(sum(step, "bytes", ["attention"]), layers * 2 * (POSITION + rows) * kvHeads * headSize * 2);
      const looks = Array.from({ length: rows }, (_, i) => POSITION + i + 1).reduce((a, b) => a + b);
      assert.is(sum(step, "multiplyAdds", ["attention"]), layers * 2 * looks * heads * headSize);
    }
  });
}

await withDevice(
  "shares sum up to 1, times to the kernels' time, and each kernel's limit is the nearer",
  async (device) => {
    const llama = await load(device, await openBytes(randomLlama(SMALL)));
    const { steps: [step], peak } = await profileLlama(llama, POSITION, [2]);
    if (!device.hasTimestamps) return;
    const close = (a: number, b: number) => assert.ok(Math.abs(a - b) < 1e-9 * Math.abs(b), `${a}, ${b}`);
    close(step!.kernels.reduce((total, { share }) => total + share!, 0), 1);
    close(step!.kernels.reduce((total, { ms }) => total + ms!, 0), step!.kernelsMs!);
    for (const { ms, bytes, multiplyAdds, limit, limitShare } of step!.kernels) {
      if (!ms) continue;
      const shares = { memory: bytes / ms / peak.bytesPerMs, arithmetic: multiplyAdds / ms / peak.multiplyAddsPerMs };
      close(limitShare!, Math.max(shares.memory, shares.arithmetic));
      close(shares[limit!], limitShare!);
    }
  },
);

await withDevice("a device without timestamps tells the work alone", async (device) => {
  Object.assign(device, { timestamps: () => undefined });
  const llama = await load(device, await openBytes(randomLlama(SMALL)));
  const { steps: [step], peak } = await profileLlama(llama, POSITION, [1]);
  assert.is(step!.kernelsMs, null);
  assert.ok(step!.wallMs > 0 && peak.bytesPerMs > 0);
  for (const { ms, share, limitShare } of step!.kernels) assert.equal([ms, share, limitShare], [null, null, null]);
  assert.ok(sum(step!, "bytes") > 0);
});

await withDevice(
  "a profile leaves the device's memory and the positions before its own as they were",
  async (device) => {
    const llama = await load(device, await openBytes(randomLlama(SMALL)));
    const tokens = tokensOf(POSITION);
    await llama.prefill(tokens, 0);
    const before = device.allocatedBytes;
    const { tokens: [next] } = await llama.verify([3], POSITION);
    const logits = await llama.logits(1);
    await profileLlama(llama, POSITION, [4]);
    assert.is(device.allocatedBytes, before);
    assert.equal((await llama.verify([3], POSITION)).tokens, [next]);
    assert.equal(await llama.logits(1), logits);
  },
);

test("the usual rows are those of most verifications of several", () => {
  const verify = (rows: number) => ({ kind: "operation", operation: "verify", tokens: Array(rows).fill(0) }) as never;
  assert.is(usualRows({ events: [verify(1), verify(1), verify(1)] }), 1);
  assert.is(usualRows({ events: [verify(1), verify(1), verify(4), verify(6), verify(6)] }), 6);
  assert.is(usualRows({ events: [] }), 1);
});

test.run();
