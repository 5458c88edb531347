import { open, rename, stat } from "node:fs/promises";
import { FORMATS, type TensorType } from "../../src/checkpoint/formats.ts";
import { randomOf } from "../../src/util/random.ts";
import { type ModelShape, shapeOf } from "../../src/plan/model-work.ts";
import { ggufFile, llamaMetadata, llamaTensors } from "../../tests/checkpoint/gguf-builder.ts";
import { quantize } from "../../tests/llama/quantize.ts";
import type { Scale } from "./part.ts";

/** The shape of a model's file. */
type FileShape = ModelShape & { readonly tied: boolean };

/** Llama 3.2 1B and Llama 3.1 8B; and their like in small, to try the kit out. */
export const SHAPES: Readonly<Record<Scale, Readonly<Record<"1B" | "8B", FileShape>>>> = {
  full: {
    "1B": { ...shapeOf("llama-3.2-1b")!, tied: true },
    "8B": { ...shapeOf("llama-3.1-8b")!, tied: false },
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

/**
 * The path of a file with random weights in `folder`, which is written unless an earlier part has; its size in bytes.
 */
export async function randomModel(
  folder: string,
  scale: Scale,
  shape: ShapeName,
  mix: MixName,
): Promise<{ path: string; bytes: number }> {
  const path = `${folder}/${shape}-${mix}.gguf`;
  const found = await stat(path).catch(() => null);
  if (found) return { path, bytes: found.size };
  const bytes = await writeRandomModel(`${path}.part`, SHAPES[scale][shape], mix);
  await rename(`${path}.part`, path);
  return { path, bytes };
}

/** Writes a GGUF file with random weights of that shape, whose tokens are bytes. Returns its size in bytes. */
export async function writeRandomModel(path: string, shape: FileShape, mix: MixName): Promise<number> {
  const tensors = llamaTensors(shape).map(({ name, shape: sizes }) => {
    const type = sizes.length === 1 ? "F32" : MIXES[mix](name, shape.layers);
    const { blockElements, blockBytes } = FORMATS[type];
    return { name, shape: sizes, type, bytes: sizes.reduce((a, b) => a * b) / blockElements * blockBytes };
  });

  const offsets: number[] = [];
  let end = 0;
  for (const { bytes } of tensors) {
    offsets.push(Math.ceil(end / 32) * 32);
    end = offsets.at(-1)! + bytes;
  }
  const header = ggufFile(
    llamaMetadata(shape, "random", true, [
      ["llama.context_length", "u32", CONTEXT],
      ["llama.rope.freq_base", "f32", 500_000],
      ["llama.rope.dimension_count", "u32", shape.headSize],
      ["llama.vocab_size", "u32", shape.vocabulary],
    ]),
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
