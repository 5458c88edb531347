import { open } from "node:fs/promises";
import { FORMATS, type TensorType } from "../../src/checkpoint/formats.ts";
import { randomOf } from "../../src/util/random.ts";
import { byteLevelTokenizer, ggufFile, type MetadataEntry } from "../../tests/checkpoint/gguf-builder.ts";
import { quantize } from "../../tests/llama/quantize.ts";
import type { Scale } from "./part.ts";

export interface ModelShape {
  readonly layers: number;
  readonly hidden: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  readonly feedForward: number;
  readonly vocabulary: number;
  readonly tied: boolean;
}

/** Llama 3.2 1B and Llama 3.1 8B, by their config.json; and their like in small, to try the kit out. */
export const SHAPES: Readonly<Record<Scale, Readonly<Record<"1B" | "8B", ModelShape>>>> = {
  full: {
    "1B": {
      layers: 16,
      hidden: 2048,
      heads: 32,
      kvHeads: 8,
      headSize: 64,
      feedForward: 8192,
      vocabulary: 128_256,
      tied: true,
    },
    "8B": {
      layers: 32,
      hidden: 4096,
      heads: 32,
      kvHeads: 8,
      headSize: 128,
      feedForward: 14_336,
      vocabulary: 128_256,
      tied: false,
    },
  },
  tiny: {
    "1B": {
      layers: 2,
      hidden: 256,
      heads: 4,
      kvHeads: 2,
      headSize: 64,
      feedForward: 512,
      vocabulary: 1024,
      tied: true,
    },
    "8B": {
      layers: 4,
      hidden: 512,
      heads: 4,
      kvHeads: 2,
      headSize: 128,
      feedForward: 1024,
      vocabulary: 1024,
      tied: false,
    },
  },
};
export type ShapeName = keyof typeof SHAPES.full;

/** How a file keeps its matrices. Q4_K_M is the mix of llama.cpp's quantize by that name (llama-quant.cpp). */
export const MIXES = {
  Q4_K_M: (name: string, layers: number): TensorType => {
    if (/^(token_embd|output)\./.test(name)) return "Q6_K";
    const layer = Number(/^blk\.(\d+)\.(?:attn_v|ffn_down)\./.exec(name)?.[1] ?? NaN);
    const eighth = Math.floor(layers / 8);
    const isLarge = layer < eighth || layer >= Math.floor(7 * layers / 8) || (layer - eighth) % 3 === 2;
    return isLarge ? "Q6_K" : "Q4_K";
  },
  Q8_0: (): TensorType => "Q8_0",
  F16: (): TensorType => "F16",
} as const;
export type MixName = keyof typeof MIXES;

/** Elements of the random weights that a file repeats: a device's caches are by address, so it can't tell. */
const PATTERN = 1 << 20;
/** Positions of a text; the shapes' own 128 Ki would need a larger RoPE table than is measured. */
const CONTEXT = 8192;

/** Writes a GGUF file with random weights of that shape, whose tokens are bytes. Returns its size in bytes. */
export async function writeRandomModel(path: string, shape: ModelShape, mix: MixName): Promise<number> {
  const { hidden, heads, kvHeads, headSize, feedForward, vocabulary, layers } = shape;
  const tensors: { name: string; shape: number[]; type: TensorType; bytes: number }[] = [];
  const add = (name: string, shape: number[], type: TensorType) => {
    const { blockElements, blockBytes } = FORMATS[type];
    const elements = shape.reduce((a, b) => a * b);
    tensors.push({ name, shape, type, bytes: elements / blockElements * blockBytes });
  };
  const matrix = (name: string, k: number, n: number) => add(name, [k, n], MIXES[mix](name, layers));
  matrix("token_embd.weight", hidden, vocabulary);
  for (let layer = 0; layer < layers; layer++) {
    const at = (name: string) => `blk.${layer}.${name}.weight`;
    add(at("attn_norm"), [hidden], "F32");
    matrix(at("attn_q"), hidden, heads * headSize);
    matrix(at("attn_k"), hidden, kvHeads * headSize);
    matrix(at("attn_v"), hidden, kvHeads * headSize);
    matrix(at("attn_output"), heads * headSize, hidden);
    add(at("ffn_norm"), [hidden], "F32");
    matrix(at("ffn_gate"), hidden, feedForward);
    matrix(at("ffn_up"), hidden, feedForward);
    matrix(at("ffn_down"), feedForward, hidden);
  }
  add("output_norm.weight", [hidden], "F32");
  if (!shape.tied) matrix("output.weight", hidden, vocabulary);

  const offsets: number[] = [];
  let end = 0;
  for (const { bytes } of tensors) {
    offsets.push(Math.ceil(end / 32) * 32);
    end = offsets.at(-1)! + bytes;
  }
  const header = ggufFile(
    metadataOf(shape),
    tensors.map(({ name, shape, type }, i) => ({ name, shape, type, offset: offsets[i], bytes: new Uint8Array(0) })),
  );
  const start = Math.ceil(header.length / 32) * 32;
  const patterns = new Map<TensorType, Uint8Array>();
  const file = await open(path, "w");
  try {
    await file.write(header, 0, header.length, 0);
    for (const [i, { type, bytes }] of tensors.entries()) {
      const pattern = patterns.get(type) ?? patternOf(type);
      patterns.set(type, pattern);
      for (let done = 0; done < bytes; done += pattern.length) {
        const count = Math.min(pattern.length, bytes - done);
        await file.write(pattern, 0, count, start + offsets[i]! + done);
      }
    }
  } finally {
    await file.close();
  }
  return start + end;
}

/** Weights whose products keep the size of what they are multiplied with, near enough; norms are ones. */
function patternOf(type: TensorType): Uint8Array {
  if (type === "F32") return new Uint8Array(new Float32Array(PATTERN / 64).fill(1).buffer);
  const random = randomOf(1);
  // A sum of uniform numbers is normal enough, and quick to make.
  return quantize(type, Float32Array.from({ length: PATTERN }, () => 0.03 * (random() + random() + random() - 1.5)));
}

function metadataOf(shape: ModelShape): MetadataEntry[] {
  return [
    ["general.architecture", "string", "llama"],
    ["general.name", "string", "random"],
    ["llama.block_count", "u32", shape.layers],
    ["llama.context_length", "u32", CONTEXT],
    ["llama.embedding_length", "u32", shape.hidden],
    ["llama.feed_forward_length", "u32", shape.feedForward],
    ["llama.attention.head_count", "u32", shape.heads],
    ["llama.attention.head_count_kv", "u32", shape.kvHeads],
    ["llama.attention.key_length", "u32", shape.headSize],
    ["llama.attention.value_length", "u32", shape.headSize],
    ["llama.attention.layer_norm_rms_epsilon", "f32", 1e-5],
    ["llama.rope.freq_base", "f32", 500_000],
    ["llama.rope.dimension_count", "u32", shape.headSize],
    ["llama.vocab_size", "u32", shape.vocabulary],
    ...byteLevelTokenizer(shape.vocabulary),
  ];
}
