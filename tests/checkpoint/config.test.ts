import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { openFile } from "../../src/platform/platform-file.ts";
import { type LlamaConfig, llamaConfig } from "../../src/checkpoint/config.ts";
import { openGguf } from "../../src/checkpoint/gguf.ts";
import {
  ggufFile,
  type MetadataEntry,
  openBytes,
  type RandomLlama,
  randomLlama,
  randomLlamaParts,
  type TensorEntry,
} from "./gguf-builder.ts";
import { assertRefused } from "../llama/refused.ts";

const SMALL: RandomLlama = {
  layers: 2,
  hidden: 96,
  heads: 4,
  kvHeads: 2,
  headSize: 64,
  feedForward: 160,
  vocabulary: 300,
  type: "Q8_0",
  tied: false,
  seed: 1,
};

const PARTS = randomLlamaParts(SMALL);
/** A value for a key, or `null` for a file without that key. */
type Entry = readonly [type: MetadataEntry[1], value: MetadataEntry[2]] | null;

/** The configuration of the small model with other metadata and other tensors. */
function changed(
  metadata: Record<string, Entry>,
  tensors: readonly TensorEntry[] = PARTS.tensors,
): Promise<LlamaConfig> {
  const entries = PARTS.metadata.filter(([key]) => !(key in metadata));
  for (const [key, entry] of Object.entries(metadata)) if (entry) entries.push([key, ...entry]);
  return openBytes(ggufFile(entries, tensors)).then(llamaConfig);
}

/** RoPE's frequencies, which `factor` divides. */
const frequencies = (size: number, base: number, factor: (pair: number) => number = () => 1) =>
  Float64Array.from({ length: size / 2 }, (_, i) => base ** (-2 * i / size) / factor(i));

for (const [file, layers] of [["smollm2-135m-instruct-q4_1", 30], ["smollm2-draft-42m-q8_0", 4]] as const) {
  test(`the embedded pair: ${file}`, async () => {
    const checkpoint = await openGguf(
      await openFile(fileURLToPath(new URL(`../../models/${file}.gguf`, import.meta.url))),
    );
    const { name, rmsEpsilon, ...config } = await llamaConfig(checkpoint);
    await checkpoint.close();
    assert.match(name, /smollm2/i);
    assert.is(rmsEpsilon, Math.fround(1e-5));
    assert.equal(config, {
      layers,
      hidden: 576,
      heads: 9,
      kvHeads: 3,
      headSize: 64,
      feedForward: 1536,
      vocabulary: 49152,
      contextLength: 8192,
      rope: { size: 64, frequencies: frequencies(64, 100_000), magnitude: 1 },
      ropeLayers: Array(layers).fill(true),
      windows: Array(layers).fill(null),
      tied: true,
    });
  });
}

test("a random model's shape comes back", async () => {
  for (
    const shape of [
      SMALL,
      { ...SMALL, tied: true, vocabulary: 257, tokenizer: true },
      {
        ...SMALL,
        headSize: 128,
        kvHeads: 4,
        ropeFactors: true,
        type: (name: string) => name.includes("ffn") ? "Q4_0" : "F16",
      },
      { ...SMALL, hidden: 256, heads: 2, kvHeads: 1, headSize: 128, feedForward: 512, type: "Q4_K" },
    ] satisfies RandomLlama[]
  ) {
    const config = await llamaConfig(await openBytes(randomLlama(shape)));
    const { layers, hidden, heads, kvHeads, headSize, feedForward, vocabulary, tied, ropeFactors } = shape;
    assert.equal(config, {
      name: "random 1",
      layers,
      hidden,
      heads,
      kvHeads,
      headSize,
      feedForward,
      vocabulary,
      contextLength: 2048,
      rope: {
        size: headSize,
        frequencies: frequencies(headSize, 10_000, (i) => ropeFactors ? Math.fround(1 + 7 * i / 63) : 1),
        magnitude: 1,
      },
      ropeLayers: [true, true],
      windows: [null, null],
      rmsEpsilon: Math.fround(1e-5),
      tied,
    });
  }
});

test("the same options give the same file, another seed another", () => {
  assert.equal(randomLlama(SMALL), randomLlama(SMALL));
  assert.not.equal(randomLlama(SMALL), randomLlama({ ...SMALL, seed: 2 }));
});

test("what a file leaves out has a default", async () => {
  const { name, kvHeads, headSize, rope } = await changed({
    "general.name": null,
    "llama.attention.head_count": ["u32", 1],
    "llama.attention.head_count_kv": null,
    "llama.attention.key_length": null,
    "llama.attention.value_length": null,
    "llama.rope.freq_base": null,
    "llama.embedding_length": ["u32", 64],
  }, randomLlamaParts({ ...SMALL, hidden: 64, heads: 1, kvHeads: 1 }).tensors);
  assert.equal([name, kvHeads, headSize, rope.frequencies], ["test.gguf", 1, 64, frequencies(64, 10_000)]);
});

test("a value for each layer counts where all are the same", async () => {
  const config = await changed({
    "llama.attention.head_count": ["u32[]", [4, 4]],
    "llama.attention.head_count_kv": ["i32[]", [2, 2]],
    "llama.feed_forward_length": ["u32[]", [160, 160]],
  });
  assert.equal([config.heads, config.kvHeads, config.feedForward], [4, 2, 160]);
});

test("rows of the embedding behind those of the tokens are padding", async () => {
  const tokens = ["a", "b"];
  assert.is((await changed({ "tokenizer.ggml.tokens": ["string[]", tokens] })).vocabulary, 2);
  assert.is((await changed({})).vocabulary, 300);
});

test("windows and RoPE of each layer", async () => {
  const layersOf = async (keys: Record<string, Entry>) => {
    const { windows, ropeLayers } = await changed(
      Object.fromEntries(Object.entries(keys).map(([key, value]) => [`llama.attention.${key}`, value])),
    );
    return [windows, ropeLayers];
  };
  const all = [true, true];
  assert.equal(await layersOf({ sliding_window: ["u32", 0] }), [[null, null], all]);
  assert.equal(await layersOf({ sliding_window: ["u32", 5] }), [[5, 5], all]);
  const pattern: Entry = ["bool[]", [false, true]];
  assert.equal(await layersOf({ sliding_window: ["u32", 5], sliding_window_pattern: pattern }), [[null, 5], all]);
  assert.equal(await layersOf({ sliding_window_pattern: pattern }), [[null, null], all]);
  assert.equal(await layersOf({ rope_pattern: pattern }), [[null, null], [false, true]]);
});

test("linear RoPE scaling", async () => {
  for (
    const [type, factor, wanted] of [
      [["string", "linear"], ["f32", 4], 4],
      [null, ["f32", 4], 4],
      [["string", "none"], ["f32", 4], 1],
      [["string", "linear"], null, 1],
    ] as [Entry, Entry, number][]
  ) {
    const config = await changed({ "llama.rope.scaling.type": type, "llama.rope.scaling.factor": factor });
    assert.equal(config.rope.frequencies, frequencies(64, 10_000, () => wanted));
  }
});

for (
  const [key, entry, message] of [
    [
      "general.architecture",
      ["string", "qwen3moe"],
      /its architecture is "qwen3moe", wanted one of "llama", "qwen2", "qwen3", "smollm3"; use a Llama, Mistral, Qwen2/,
    ],
    ["general.architecture", null, /"general.architecture" is missing, wanted a string/],
    ["general.name", ["u8", 1], /"general.name" is "1", wanted a string/],
    ["llama.expert_count", ["u32", 8], /it is a mixture of 8 experts \(llama.expert_count\), wanted none/],
    ["llama.attention.sliding_window", ["f32", 1.5], /"llama.attention.sliding_window" is 1.5, wanted a whole number/],
    [
      "llama.attention.sliding_window_pattern",
      ["bool[]", [true]],
      /"llama.attention.sliding_window_pattern" is no array of 2 values, one for each layer/,
    ],
    ["llama.block_count", null, /"llama.block_count" is missing, wanted a number/],
    ["llama.block_count", ["u32", 0], /"llama.block_count" is 0, wanted more than 0/],
    ["llama.block_count", ["f32", 1.5], /"llama.block_count" is 1.5, wanted a whole number/],
    ["llama.block_count", ["u32", 1], /tensor "blk.1.attn_norm.weight" is unknown to the architecture "llama"/],
    ["llama.block_count", ["u32", 4096], /tensor "blk.2.attn_norm.weight" is missing, wanted in shape \[96\]/],
    ["llama.block_count", ["u64", 2n ** 62n], /"llama.block_count" is 4611686018427388000, wanted 4096 at most/],
    ["llama.embedding_length", ["u32", 64], /tensor "token_embd.weight" has shape \[96, 300\], wanted \[64, 300\]/],
    ["llama.embedding_length", ["u32", 97], /"llama.embedding_length" is 97, wanted a multiple of 32/],
    ["llama.feed_forward_length", ["u32", 48], /"llama.feed_forward_length" is 48, wanted a multiple of 32/],
    [
      "llama.feed_forward_length",
      ["u32[]", [160, 192]],
      /"llama.feed_forward_length" is 160 in one layer and 192 in another, wanted one for all; use/,
    ],
    ["llama.feed_forward_length", ["u32[]", []], /"llama.feed_forward_length" is an array, wanted a number/],
    [
      "llama.attention.head_count",
      ["u32", 8],
      /tensor "blk.0.attn_q.weight" has shape \[96, 256\], wanted \[96, 512\]/,
    ],
    ["llama.attention.head_count_kv", ["u32", 3], /its 4 heads share 3 key-value heads, wanted a divisor/],
    ["llama.attention.key_length", ["u32", 72], /its heads have a size of 72, wanted a multiple of 16 from 32 to 256/],
    ["llama.attention.key_length", ["u32", 272], /its heads have a size of 272, wanted a multiple of 16/],
    ["llama.attention.key_length", null, /its heads have a size of 24, wanted a multiple of 16/],
    ["llama.attention.value_length", ["u32", 128], /"llama.attention.value_length" is 128, wanted the head size, 64/],
    [
      "llama.rope.dimension_count",
      ["u32", 31],
      /"llama.rope.dimension_count" is 31, wanted an even number from 2 to 64/,
    ],
    [
      "llama.rope.dimension_count",
      ["u32", 66],
      /"llama.rope.dimension_count" is 66, wanted an even number from 2 to 64/,
    ],
    [
      "llama.rope.scaling.type",
      ["string", "longrope"],
      /RoPE scaling \(llama.rope.scaling.type\) is "longrope", wanted "none", "linear" or "yarn"; use/,
    ],
    ["llama.rope.scaling.factor", ["f32", -1], /"llama.rope.scaling.factor" is -1, wanted more than 0/],
    ["llama.rope.freq_base", ["f32", -1], /"llama.rope.freq_base" is -1, wanted more than 0/],
    ["llama.rope.freq_base", ["f32", NaN], /"llama.rope.freq_base" is NaN, wanted more than 0/],
    ["llama.rope.freq_base", ["f32", Infinity], /"llama.rope.freq_base" is Infinity, wanted more than 0/],
    ["llama.context_length", null, /"llama.context_length" is missing/],
    ["llama.attention.layer_norm_rms_epsilon", null, /"llama.attention.layer_norm_rms_epsilon" is missing/],
  ] as [string, Entry, RegExp][]
) {
  test(`refused: ${key} = ${entry?.[1] ?? "missing"}`, () => assertRefused(() => changed({ [key]: entry }), message));
}

const names = PARTS.tensors.map(({ name }) => name);
for (const lost of names.filter((name) => name !== "output.weight")) {
  test(`refused: no ${lost}`, () =>
    assertRefused(
      () => changed({}, PARTS.tensors.filter(({ name }) => name !== lost)),
      new RegExp(`^Cannot run model "test.gguf": tensor "${lost}" is missing, wanted in shape \\[[\\d, ]+\\]; get or`),
    ));
}
for (const wrong of names) {
  test(`refused: ${wrong} in another shape`, () =>
    assertRefused(
      () =>
        changed(
          {},
          PARTS.tensors.map((tensor) => tensor.name === wrong ? { ...tensor, shape: [...tensor.shape, 1] } : tensor),
        ),
      new RegExp(`tensor "${wrong}" has shape \\[[\\d, ]+, 1\\], wanted \\[`),
    ));
}

const FLOATS = (name: string, values: number[]): TensorEntry => ({
  name,
  shape: [values.length],
  type: "F32",
  bytes: new Uint8Array(new Float32Array(values).buffer),
});
for (
  const [tensor, message] of [
    [
      FLOATS("blk.1.attn_q.bias", [1]),
      /tensor "blk.1.attn_q.bias" is unknown to the architecture "llama", wanted none/,
    ],
    [FLOATS("blk.0.ffn_up.bias", [1]), /tensor "blk.0.ffn_up.bias" has shape \[1\], wanted \[160\]/],
    [FLOATS("blk.0.ffn_up.bias", Array(160).fill(0)), /tensor "blk.1.ffn_up.bias" is missing, wanted in shape \[160\]/],
    [
      FLOATS("blk.0.attn_q_norm.weight", [1]),
      /tensor "blk.0.attn_q_norm.weight" is unknown to the architecture "llama"/,
    ],
    [FLOATS("output.bias", [1]), /tensor "output.bias" is unknown to the architecture "llama"/],
    [FLOATS("rope_freqs.weight", [1]), /tensor "rope_freqs.weight" has shape \[1\], wanted \[32\]/],
    [
      FLOATS("rope_freqs.weight", Array(32).fill(0)),
      /tensor "rope_freqs.weight" has a factor of 0, wanted more than 0/,
    ],
    [FLOATS("rope_freqs.weight", Array(32).fill(NaN)), /has a factor of NaN, wanted more than 0/],
  ] as const
) {
  test(`refused: a tensor ${tensor.name} of ${tensor.shape[0]}`, () =>
    assertRefused(() => changed({}, [...PARTS.tensors, tensor]), message));
}

test.run();
