import { shaderText } from "../../gpu/shader-text.ts";
import accept from "./accept.wgsl" with { type: "text" };
import argmax from "./argmax.wgsl" with { type: "text" };
import argmaxTile from "../argmax-tile.wgsl" with { type: "text" };
import chosenStruct from "./chosen.wgsl" with { type: "text" };
import { createKernel, type Kernel } from "../kernel.ts";
import type { KernelContext } from "../kernel-context.ts";
import type { KernelVariant } from "../kernel-variant.ts";
import stepStruct from "../step.wgsl" with { type: "text" };

/** Bytes of a `Chosen` (chosen.wgsl): token, confidence, runner-up. */
export const CHOSEN_BYTES = 12;

/** Bytes of an `ArgmaxTile` (argmax-tile.wgsl): largest score, its token, sum of exponentials. */
export const ARGMAX_TILE_BYTES = 12;

/**
 * How the output product's workgroups share the `vocabulary` tokens that are chosen among: constants of
 * epilogue-logits, argmax, top-k-top-p and gumbel.
 */
export function tileConstants({ tileN }: KernelVariant, vocabulary: number) {
  return { VOCABULARY: vocabulary, TILES: Math.ceil(vocabulary / tileN), TILE_TOKENS: tileN };
}

/** Each tile's best token for `rows` rows, [rows][TILES]: zeros. */
export function createArgmaxTiles({ device, variant }: KernelContext, rows: number, vocabulary: number): GPUBuffer {
  return device.storage("argmax tiles", rows * tileConstants(variant, vocabulary).TILES * ARGMAX_TILE_BYTES);
}

/** Moves on behind what a verification accepted. `buffers`: step, chosen, tokens (bindings 0 to 2). */
export function createAccept({ device }: KernelContext, buffers: readonly GPUBuffer[]): Promise<Kernel> {
  return createKernel(device, "accept", [shaderText({}, [stepStruct, chosenStruct, accept])], buffers, 1);
}

/** Chooses each row's token. `buffers`: step, argmax tiles, scores, chosen, tokens (bindings 0 to 4). */
export function createArgmax(
  { device, variant }: KernelContext,
  vocabulary: number,
  buffers: readonly GPUBuffer[],
): Promise<Kernel> {
  const constants = tileConstants(variant, vocabulary);
  const code = shaderText(constants, [stepStruct, argmaxTile, chosenStruct, argmax]);
  return createKernel(device, "argmax", [code], buffers, 1, (_, rows) => ({
    bytes: rows * constants.TILES * ARGMAX_TILE_BYTES,
    multiplyAdds: 0,
  }));
}
