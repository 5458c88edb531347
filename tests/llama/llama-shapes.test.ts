import { test } from "uvu";
import * as assert from "uvu/assert";
import type { KvCacheType } from "../../src/kernels/attention/attention.ts";
import { possibleVariants, splitVariant } from "../../src/kernels/kernel-variant.ts";
import type { TensorType } from "../../src/checkpoint/formats.ts";
import { assertClose, assertSameBits } from "../kernels/kernel-fixture.ts";
import { type TestAdapter, withDevice } from "../with-device.ts";
import { openBytes, type RandomLlama, randomLlama } from "../checkpoint/gguf-builder.ts";
import { type Features, load, modelWith, SMALL, tokensOf, verifyAll } from "./llama-fixture.ts";
import { ReferenceLlama } from "./reference-llama.ts";

/** Q4_K_M's mixture: V and the down matrix in six bits. */
const mixed = (name: string): TensorType => /attn_v|ffn_down/.test(name) ? "Q6_K" : "Q4_K";
const MANY: readonly (readonly [part: string, type: TensorType])[] = [
  ["attn_q", "Q3_K"],
  ["attn_k", "IQ4_XS"],
  ["attn_v", "Q5_0"],
  ["attn_output", "IQ4_NL"],
  ["ffn_gate", "MXFP4"],
  ["ffn_up", "Q5_1"],
  ["ffn_down", "Q2_K"],
];
const BLOCKS_OF_256 = { hidden: 256, heads: 4, feedForward: 256 };

const shapes: (readonly [title: string, model: Partial<RandomLlama>, kvCache: KvCacheType, split?: boolean])[] = [
  ["Q4_1, tied, one group of 3 heads", {}, "f16"],
  ["Q4_0, untied, RoPE factors, no groups", { type: "Q4_0", tied: false, kvHeads: 3, ropeFactors: true }, "f32"],
  ["Q8_0, heads of 128 in one group of 4", { type: "Q8_0", heads: 4, headSize: 128 }, "f16"],
  ["F32, heads of 128, RoPE scaled", {
    type: "F32",
    headSize: 128,
    tied: false,
    metadata: [["llama.rope.scaling.factor", "f32", 4]],
  }, "f32"],
  ["F16, two groups", { type: "F16", heads: 6, kvHeads: 2 }, "f32"],
  ["BF16, two groups", { type: "BF16", heads: 2, kvHeads: 2 }, "f16"],
  ["Q4_K and Q6_K, mixed", { ...BLOCKS_OF_256, type: mixed, tied: false }, "f16"],
  ["Q5_K", { ...BLOCKS_OF_256, type: "Q5_K" }, "f32"],
  ["Q6_K", { ...BLOCKS_OF_256, type: "Q6_K" }, "f32"],
  ["Q5_0 and Q8_0, as Q4_K_M has them where rows are no blocks of 256", {
    type: (name) => /token_embd|attn_v|ffn_down/.test(name) ? "Q8_0" : "Q5_0",
  }, "f32"],
  ["Q5_1 and IQ4_NL", { type: (name) => /attn|token_embd/.test(name) ? "Q5_1" : "IQ4_NL" }, "f32"],
  ["Q2_K", { ...BLOCKS_OF_256, type: "Q2_K" }, "f32"],
  ["Q3_K and IQ4_XS, untied", {
    ...BLOCKS_OF_256,
    type: (name) => /attn|token_embd/.test(name) ? "Q3_K" : "IQ4_XS",
    tied: false,
  }, "f32"],
  ["MXFP4", { type: "MXFP4" }, "f32"],
  ["seven formats in a layer", {
    ...BLOCKS_OF_256,
    type: (name) => MANY.find(([part]) => name.includes(part))?.[1] ?? "Q2_K",
  }, "f32"],
  ["gate in Q8_0 and up in Q4_0, then the other way", {
    type: (name) => /0.ffn_gate|1.ffn_up/.test(name) ? "Q8_0" : "Q4_0",
  }, "f32"],
  ["gate in Q8_0 and up in Q4_0, split K", { type: (name) => /ffn_gate/.test(name) ? "Q8_0" : "Q4_0" }, "f32", true],
  ["Q4_1, split K", {}, "f16", true],
  ["Q4_K and Q6_K, mixed, split K", { ...BLOCKS_OF_256, type: mixed, kvHeads: 4, tied: false }, "f32", true],
];

for (const [title, model, kvCache, split] of shapes) {
  // llvmpipe is slow to compile barriers.
  const adapter: TestAdapter = split ? "swiftshader" : "default";
  await withDevice(`${title}, ${kvCache} cache: the logits are those of the reference`, async (device) => {
    const checkpoint = await openBytes(randomLlama({ ...SMALL, ...model }));
    const tokens = tokensOf(20);
    const wanted = (await ReferenceLlama.load(checkpoint)).logits(tokens);
    const llama = await load(device, checkpoint, { kvCache, variant: split ? splitVariant() : undefined });
    const got = await verifyAll(llama, tokens, 5);
    const { vocabulary } = llama.config;
    // Logits are of the order of 1.
    const tolerance = kvCache === "f16" ? 5e-3 : 5e-5;
    wanted.forEach((row, i) =>
      assertClose(`row ${i}`, got.subarray(i * vocabulary, (i + 1) * vocabulary), row, tolerance, tolerance)
    );
    const answer = await llama.verify(tokens.slice(15), 15);
    assert.equal(answer.tokens, wanted.slice(15).map((row) => row.indexOf(Math.max(...row))));
  }, { adapter });
}

/** RoPE of the first `size` elements. */
const rope = (size: number, magnitude = 1) => ({
  size,
  frequencies: Float64Array.from({ length: size / 2 }, (_, pair) => 100 ** (-2 * pair / size)),
  magnitude,
});

const QKV = ["attn_q", "attn_k", "attn_v"];
const ALL = [...QKV, "attn_output", "ffn_gate", "ffn_up", "ffn_down"];
const apart = (name: string): TensorType => /attn_v|ffn_up/.test(name) ? "Q8_0" : "Q4_1";
/** All features at once, alike in all layers, for each kind of layer is compiled. */
const everything = (headSize: number): Features => ({
  biases: ALL,
  qkNorms: true,
  config: { rope: rope(headSize / 2, 1.2), windows: [6, 6] },
});

/** Heads of other sizes are in llama-architectures.test.ts. */
const kin: (readonly [title: string, model: Partial<RandomLlama>, Features, KvCacheType, split?: boolean])[] = [
  ["biases of Q, K and V, a window, a layer without RoPE, seven heads of 32", { heads: 7, headSize: 32 }, {
    biases: QKV,
    config: { windows: [7, 7], ropeLayers: [true, false] },
  }, "f16"],
  ["biases of all, V and up apart, RoPE of 20 elements in 160", { type: apart, heads: 2, headSize: 160 }, {
    biases: ALL,
    config: { rope: rope(20, 1.3) },
  }, "f32"],
  ...[80, 144].map((headSize) =>
    [`all of it, heads of ${headSize}`, { heads: 2, headSize }, everything(headSize), "f32"] as const
  ),
  ["all of it, split K", { heads: 4, kvHeads: 2, headSize: 48 }, everything(48), "f32", true],
];

for (const [title, model, features, kvCache, split] of kin) {
  const adapter: TestAdapter = split ? "swiftshader" : "default";
  await withDevice(`${title}, ${kvCache} cache: as the reference, alone and among others`, async (device) => {
    const { checkpoint, config } = await modelWith({ ...SMALL, ...model }, features);
    const tokens = tokensOf(20);
    const wanted = (await ReferenceLlama.load(checkpoint, config)).logits(tokens).flatMap((row) => [...row]);
    const variant = split ? splitVariant() : undefined;
    const llama = await load(device, checkpoint, { config, kvCache, variant, branchCapacity: 4 });
    const alone = await verifyAll(llama, tokens, 1);
    const tolerance = kvCache === "f16" ? 5e-3 : 1e-4;
    assertClose(title, alone, wanted, tolerance, tolerance);
    for (const rows of [3, 16]) assertSameBits(`${rows} rows`, await verifyAll(llama, tokens, rows), alone);
    // A branch behind position 17 has the same bits, and so has what is kept of it.
    const { vocabulary } = llama.config;
    for (const at of [17, 18]) {
      await llama.decode(tokens[at]!, at, 1, 17);
      assertSameBits(
        `branch at ${at}`,
        await llama.logits(1),
        alone.subarray(at * vocabulary, (at + 1) * vocabulary),
      );
    }
    await llama.verify([0, 0, 0], 17);
    await llama.keep(17, 2);
    assertSameBits("behind what is kept", await verifyAll(llama, tokens, 1, 19), alone.subarray(19 * vocabulary));
  }, { adapter });
}

await withDevice(
  "every variant gives the reference's logits, and a row the same bits alone as among 16",
  async (device) => {
    const checkpoint = await openBytes(randomLlama(SMALL));
    const tokens = tokensOf(20);
    const wanted = (await ReferenceLlama.load(checkpoint)).logits(tokens).flatMap((row) => [...row]);
    for (const variant of possibleVariants(device)) {
      const llama = await load(device, checkpoint, { variant, kvCache: "f32" });
      assert.is(llama.context.variant, variant);
      const alone = await verifyAll(llama, tokens, 1);
      assertClose(variant.name, alone, wanted, 5e-5, 5e-5);
      assertSameBits(variant.name, await verifyAll(llama, tokens, 16), alone);
    }
  },
  // llvmpipe is slow to compile barriers.
  { adapter: "swiftshader" },
);

test.run();
