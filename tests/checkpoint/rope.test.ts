import { test } from "uvu";
import * as assert from "uvu/assert";
import { llamaConfig } from "../../src/checkpoint/config.ts";
import type { Rope } from "../../src/checkpoint/rope.ts";
import { yarnMagnitude } from "../../src/checkpoint/rope.ts";
import { assertRefused } from "../llama/refused.ts";
import { ggufFile, type MetadataEntry, openBytes, type RandomLlama, randomLlamaParts } from "./gguf-builder.ts";

const SMALL: RandomLlama = {
  layers: 1,
  hidden: 32,
  heads: 1,
  kvHeads: 1,
  headSize: 64,
  feedForward: 32,
  vocabulary: 10,
  type: "F32",
  tied: true,
  seed: 1,
};

/** RoPE and the context of a model with these keys, without "llama." before them. */
async function read(
  keys: readonly MetadataEntry[],
  options: Partial<RandomLlama> = {},
): Promise<{ rope: Rope; context: number }> {
  const metadata = keys.map(([key, type, value]): MetadataEntry => [`llama.${key}`, type, value]);
  const parts = randomLlamaParts({ ...SMALL, ...options, metadata });
  const { rope, contextLength } = await llamaConfig(await openBytes(ggufFile(parts.metadata, parts.tensors)));
  return { rope, context: contextLength };
}

const plain = (await read([])).rope;

test("a linear factor has either key; 0 counts as none, and so does the type none", async () => {
  for (
    const [keys, factor] of [
      [[["rope.scale_linear", "f32", 4]], 4],
      [[["rope.scaling.factor", "f32", 4]], 4],
      [[["rope.scaling.factor", "f32", 2], ["rope.scale_linear", "f32", 4]], 2],
      [[["rope.scaling.type", "string", "linear"], ["rope.scaling.factor", "f32", 0]], 1],
      [[["rope.scaling.type", "string", "none"], ["rope.scaling.factor", "f32", 4]], 1],
      [[["rope.scaling.type", "string", "linear"]], 1],
    ] as [MetadataEntry[], number][]
  ) {
    const { rope, context } = await read(keys);
    assert.equal(rope, { size: 64, frequencies: plain.frequencies.map((one) => one / factor), magnitude: 1 });
    assert.is(context, 2048);
  }
});

test("a part of each head has the frequencies of a head of that size", async () => {
  const { rope } = await read([["rope.dimension_count", "u32", 20]]);
  assert.is(rope.size, 20);
  assert.equal(rope.frequencies, Float64Array.from({ length: 10 }, (_, i) => 10_000 ** (-2 * i / 20)));
});

// By the formula of llama.cpp's ggml_rope_yarn_corr_dims the passage is from pair 10 to pair 23 (sizes 64 and 4096,
// base 10 000, betas 32 and 1).
test("YaRN leaves short waves, stretches long ones, and multiplies by a magnitude", async () => {
  const yarn: MetadataEntry[] = [
    ["rope.scaling.type", "string", "yarn"],
    ["rope.scaling.factor", "f32", 8],
    ["rope.scaling.original_context_length", "u32", 4096],
  ];
  const { rope, context } = await read(yarn);
  assert.is(context, 8 * 4096);
  const ratios = plain.frequencies.map((one, i) => one / rope.frequencies[i]!);
  ratios.forEach((ratio, pair) => {
    const stretched = Math.min(Math.max((pair - 10) / 13, 0), 1);
    assert.ok(Math.abs(1 / ratio - (stretched / 8 + 1 - stretched)) < 1e-12, `pair ${pair}: ${ratio}`);
  });
  assert.is(rope.magnitude, 0.1 * Math.log(8) + 1);
  // A context that the file gives larger than the stretched one stays.
  assert.is((await read([...yarn, ["context_length", "u32", 2 ** 20]])).context, 2 ** 20);
});

test("YaRN's magnitude: attn_factor multiplies, yarn_attn_factor replaces, a log multiplier divides it", async () => {
  const magnitudeOf = async (...keys: readonly (readonly [string, number])[]) => {
    const { rope } = await read([
      ["rope.scaling.type", "string", "yarn"],
      ["rope.scaling.factor", "f32", 4],
      ...keys.map(([key, value]): MetadataEntry => [`rope.scaling.${key}`, "f32", value]),
    ]);
    return rope.magnitude;
  };
  const whole = 0.1 * Math.log(4) + 1;
  assert.is(await magnitudeOf(), whole);
  assert.is(await magnitudeOf(["attn_factor", 0.5]), whole / 2);
  assert.is(await magnitudeOf(["yarn_attn_factor", 1.25]), 1.25);
  assert.is(await magnitudeOf(["yarn_attn_factor", 1.25], ["attn_factor", 2]), 2.5);
  assert.is(await magnitudeOf(["yarn_log_multiplier", 1]), 1);
  assert.is(yarnMagnitude(0.5, null), 1);
  assert.is(yarnMagnitude(4, { numerator: 1, denominator: 2 }), whole / (0.2 * Math.log(4) + 1));
});

test("factors of a tensor divide before YaRN does, as in llama.cpp", async () => {
  const yarn: MetadataEntry[] = [["rope.scaling.type", "string", "yarn"], ["rope.scaling.factor", "f32", 4]];
  const [without, factored] = [await read(yarn), await read(yarn, { ropeFactors: true })];
  factored.rope.frequencies.forEach((one, pair) => {
    const factor = Math.fround(1 + 7 * pair / 31);
    assert.ok(Math.abs(one * factor / without.rope.frequencies[pair]! - 1) < 1e-12, `pair ${pair}`);
  });
});

test("a YaRN without numbers is refused in one line", async () => {
  const yarn: MetadataEntry = ["rope.scaling.type", "string", "yarn"];
  for (
    const [keys, message] of [
      [[["rope.freq_base", "f32", 1]], /its YaRN \(llama\.rope\.scaling\) has a frequency or magnitude of NaN, wanted/],
      [[["rope.scaling.attn_factor", "f32", -1]], /has a frequency or magnitude of -1, wanted more than 0; get/],
      [[["rope.scaling.yarn_beta_fast", "f32", 0]], /"llama\.rope\.scaling\.yarn_beta_fast" is 0, wanted more than 0/],
      [[["rope.scaling.original_context_length", "u32", 0]], /original_context_length" is 0, wanted more than 0/],
    ] as [MetadataEntry[], RegExp][]
  ) await assertRefused(() => read([yarn, ...keys]), message);
});

test.run();
