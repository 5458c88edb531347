import type { Device, Resource } from "../../gpu/device.ts";
import { shaderText } from "../../gpu/shader-text.ts";
import attentionSubgroup from "./attention-subgroup.wgsl" with { type: "text" };
import attentionWorkgroup from "./attention-workgroup.wgsl" with { type: "text" };
import cacheF16 from "./cache-f16.wgsl" with { type: "text" };
import cacheF32 from "./cache-f32.wgsl" with { type: "text" };
import cacheRead from "../memory/cache-read.wgsl" with { type: "text" };
import cacheSlot from "./cache-slot.wgsl" with { type: "text" };
import { createKernel, type Kernel } from "../kernel.ts";
import { type KernelVariant, TEXTURE_WIDTH } from "../kernel-variant.ts";
import step from "../step.wgsl" with { type: "text" };

export type CacheType = "f16" | "f32";

/** Scores that a row lane holds at most: llvmpipe doesn't unroll what more would make (lab/kernels). */
const MOST_SCORES = 24;

/** Positions of a lane, and how many rows a workgroup takes at most, for which keys and values are loaded once. */
function sharesOf(group: number): { parts: number; rows: number } {
  const parts = group <= 4 ? 4 : 2;
  return { parts, rows: 2 * group * parts <= MOST_SCORES ? 2 : 1 };
}

/** Of one element. */
export const CACHE_BYTES: Readonly<Record<CacheType, number>> = { f16: 2, f32: 4 };

/** Which slot of the cache a position has, and how it keeps eight elements. */
export const CACHE_SOURCES: Readonly<Record<CacheType, string>> = {
  f16: cacheSlot + cacheF16,
  f32: cacheSlot + cacheF32,
};

/**
 * Attention of each row over its past, in a cache whose first `strip` slots are for a branch. `buffers`: step, queries, keys, values,
 * attended (bindings 0 to 4).
 */
export function createAttention(
  device: Device,
  variant: KernelVariant,
  cache: CacheType,
  shape: { readonly headSize: number; readonly heads: number; readonly kvHeads: number },
  strip: number,
  buffers: readonly Resource[],
): Promise<Kernel> {
  const group = shape.heads / shape.kvHeads;
  const { parts, rows } = sharesOf(group);
  const isSubgroup = variant.kind === "subgroup";
  const constants = {
    HEAD_SIZE: shape.headSize,
    KV_HEADS: shape.kvHeads,
    GROUP: group,
    BRANCH_SLOTS: strip,
    TEXTURE_WIDTH,
    OUT_QUADS: shape.heads * shape.headSize / 4,
    ...(isSubgroup && { LANES: variant.lanes, PARTS: parts }),
  };
  const attention = isSubgroup ? attentionSubgroup : attentionWorkgroup;
  const codes = Array.from({ length: isSubgroup ? rows : 1 }, (_, i) =>
    shaderText({ ...constants, ROWS: i + 1 }, [
      step,
      CACHE_SOURCES[cache],
      variant.memory.cacheRead,
      cacheRead,
      variant.memory.out,
      attention,
    ]));
  const { headSize, heads, kvHeads } = shape;
  return createKernel(device, "attention", codes, buffers, kvHeads, (position, rows) => ({
    bytes: 2 * (position + rows) * kvHeads * headSize * CACHE_BYTES[cache],
    // Row i has position + i + 1 keys and as many values.
    multiplyAdds: 2 * rows * (position + (rows + 1) / 2) * heads * headSize,
  }));
}
