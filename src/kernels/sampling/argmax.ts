import type { Device } from "../../gpu/device.ts";
import { shaderText } from "../../gpu/shader-text.ts";
import accept from "./accept.wgsl" with { type: "text" };
import argmax from "./argmax.wgsl" with { type: "text" };
import best from "../argmax-tile.wgsl" with { type: "text" };
import choice from "./choice.wgsl" with { type: "text" };
import { createKernel, type Kernel } from "../kernel.ts";
import type { KernelVariant } from "../kernel-variant.ts";
import step from "../step.wgsl" with { type: "text" };

/** Bytes of one of the `Choice`s that `chosen` holds: token, confidence, second. */
export const CHOICE_BYTES = 12;

/** Bytes of a tile's `Best`: largest logit, its token, sum of exponentials. */
export const BEST_BYTES = 12;

/** How the output product's workgroups share the `vocabulary` tokens that are chosen among: constants of epilogue-logits, argmax and noise. */
export function tileConstants(variant: KernelVariant, vocabulary: number) {
  const tileTokens = 4 * variant.rowLanes;
  return { VOCABULARY: vocabulary, TILES: Math.ceil(vocabulary / tileTokens), TILE_TOKENS: tileTokens };
}

/** What `rows` rows' tiles are the best in: zeros. */
export function createBests(device: Device, variant: KernelVariant, rows: number, vocabulary: number): GPUBuffer {
  return device.storage("bests", rows * tileConstants(variant, vocabulary).TILES * BEST_BYTES);
}

/** Moves on behind what a pass accepted. `buffers`: step, chosen, tokens (bindings 0 to 2). */
export function createAccept(device: Device, buffers: readonly GPUBuffer[]): Promise<Kernel> {
  return createKernel(device, "accept", [shaderText({}, [step, choice, accept])], buffers, 1);
}

/** Chooses each row's token from its tiles' bests. `buffers`: step, bests, scores, chosen, tokens (bindings 0 to 4). */
export function createArgmax(
  device: Device,
  variant: KernelVariant,
  vocabulary: number,
  buffers: readonly GPUBuffer[],
): Promise<Kernel> {
  const code = shaderText(tileConstants(variant, vocabulary), [step, best, choice, argmax]);
  const bestBytes = tileConstants(variant, vocabulary).TILES * BEST_BYTES;
  return createKernel(
    device,
    "argmax",
    [code],
    buffers,
    1,
    (_, rows) => ({ bytes: rows * bestBytes, multiplyAdds: 0 }),
  );
}
