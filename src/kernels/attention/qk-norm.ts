import type { Resource } from "../../gpu/device.ts";
import { shaderText } from "../../gpu/shader-text.ts";
import { createKernel, type Kernel } from "../kernel.ts";
import { type KernelContext, TEXTURE_WIDTH } from "../kernel-context.ts";
import stepStruct from "../step.wgsl" with { type: "text" };
import { CACHE_SOURCES, qkvConstants, type QkvShape } from "./attention.ts";
import qkNorm from "./qk-norm.wgsl" with { type: "text" };
import rope from "./rope.wgsl" with { type: "text" };

/**
 * RMSNorm of each head of Q and K, then RoPE and the KV cache, for what `qkvEpilogue` leaves with `qkNorms`.
 * `resources`: bindings 0 to 7 of qk-norm.wgsl, rope.wgsl and cache-write-*.wgsl: step, Q and K, the weights of the two
 * norms, RoPE's table, queries, keys, values.
 */
export function createQkNorm(
  { device, variant }: KernelContext,
  shape: QkvShape,
  epsilon: number,
  resources: readonly Resource[],
): Promise<Kernel> {
  const { heads, kvHeads, headSize, kvCache } = shape;
  const constants = {
    ...qkvConstants(shape),
    RMS_EPSILON: epsilon,
    INVOCATIONS: Math.min(variant.invocations, headSize / 4),
    TEXTURE_WIDTH,
  };
  const code = shaderText(constants, [stepStruct, CACHE_SOURCES[kvCache], variant.memory.cacheWrite, rope, qkNorm]);
  return createKernel(device, "Q and K norms", [code], resources, heads + kvHeads);
}
