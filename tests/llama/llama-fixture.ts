import type { Device } from "../../src/gpu/device.ts";
import type { KvCacheType } from "../../src/kernels/attention/attention.ts";
import type { KernelVariant } from "../../src/kernels/kernel-variant.ts";
import { type LlamaConfig, llamaConfig } from "../../src/checkpoint/config.ts";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { Llama } from "../../src/llama/llama.ts";
import { randomOf } from "../../src/util/random.ts";
import type { RandomLlama } from "../checkpoint/gguf-builder.ts";

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
