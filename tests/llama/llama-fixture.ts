import type { Device } from "../../src/gpu/device.ts";
import type { KvCacheType } from "../../src/kernels/attention/attention.ts";
import type { KernelVariant } from "../../src/kernels/kernel-variant.ts";
import { type LlamaConfig, llamaConfig } from "../../src/checkpoint/config.ts";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { Llama } from "../../src/llama/llama.ts";
import { randomOf } from "../../src/util/random.ts";
import { ggufFile, openBytes, type RandomLlama, randomLlamaParts } from "../checkpoint/gguf-builder.ts";
import { randoms } from "../kernels/kernel-fixture.ts";

/** A model that loads fast. Neither its vocabulary nor its heads fill whole tiles. */
export const SMALL: RandomLlama = {
  layers: 2,
  hidden: 64,
  heads: 3,
  kvHeads: 1,
  headSize: 64,
  feedForward: 96,
  vocabulary: 301,
  type: "Q4_1",
  tied: true,
  seed: 1,
};

/** What a Llama's kin have beside or in place of what a Llama has. */
export interface Features {
  /** The matrices with a bias, by the names of their tensors in a layer. */
  readonly biases?: readonly string[];
  /** Whether the heads of queries and keys have norms. */
  readonly qkNorms?: boolean;
  readonly config?: Partial<LlamaConfig>;
}

/** A model with random weights, biases and norms, and its config, which no file's metadata have a part in. */
export async function modelWith(
  model: RandomLlama,
  { biases = [], qkNorms = false, config = {} }: Features,
): Promise<{ checkpoint: Checkpoint; config: LlamaConfig }> {
  const { metadata, tensors } = randomLlamaParts(model);
  const plain = await openBytes(ggufFile(metadata, tensors));
  const extra = Array.from({ length: model.layers }, (_, layer) =>
    [
      ...biases.map((name) => {
        const weight = tensors.find((tensor) => tensor.name === `blk.${layer}.${name}.weight`)!;
        return { name: `${name}.bias`, values: randoms(layer, weight.shape[1]!) };
      }),
      ...qkNorms
        ? ["q", "k"].map((name, i) => (
          { name: `attn_${name}_norm.weight`, values: randoms(i + 7, model.headSize, 0.5, 1.5) }
        ))
        : [],
    ].map(({ name, values }) => ({
      name: `blk.${layer}.${name}`,
      shape: [values.length],
      type: "F32" as const,
      bytes: new Uint8Array(values.buffer),
    }))).flat();
  const checkpoint = await openBytes(ggufFile(metadata, [...tensors, ...extra]));
  return { checkpoint, config: { ...await llamaConfig(plain), ...config } };
}

/** Random tokens of such a model. */
export const tokensOf = (count: number, seed = 1) => {
  const uniform = randomOf(seed);
  return Array.from({ length: count }, () => Math.floor(uniform() * SMALL.vocabulary));
};

export interface LoadOptions {
  /** By default the file's own. */
  readonly config?: LlamaConfig;
  readonly kvCache?: KvCacheType;
  readonly variant?: KernelVariant;
  readonly capacity?: number;
  readonly branchCapacity?: number;
}

export async function load(device: Device, checkpoint: Checkpoint, options: LoadOptions = {}): Promise<Llama> {
  const { config = await llamaConfig(checkpoint), ...others } = options;
  return await Llama.load(device, checkpoint, config, { capacity: 256, ...others });
}

/** The logits after each token, by verifications of `rows` rows. */
export async function verifyAll(
  llama: Llama,
  tokens: readonly number[],
  rows: number,
  from = 0,
): Promise<Float32Array> {
  const all = new Float32Array((tokens.length - from) * llama.config.vocabulary);
  for (let at = from; at < tokens.length; at += rows) {
    const some = tokens.slice(at, at + rows);
    await llama.verify(some, at);
    all.set(await llama.logits(some.length), (at - from) * llama.config.vocabulary);
  }
  return all;
}
