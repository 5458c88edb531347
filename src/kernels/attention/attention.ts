import type { Resource } from "../../gpu/device.ts";
import { shaderText } from "../../gpu/shader-text.ts";
import attentionSubgroup from "./attention-subgroup.wgsl" with { type: "text" };
import attentionWorkgroup from "./attention-workgroup.wgsl" with { type: "text" };
import cacheF16 from "./cache-f16.wgsl" with { type: "text" };
import cacheF32 from "./cache-f32.wgsl" with { type: "text" };
import cacheRead from "../memory/cache-read.wgsl" with { type: "text" };
import cacheSlot from "./cache-slot.wgsl" with { type: "text" };
import maskCausal from "./mask-causal.wgsl" with { type: "text" };
import maskWindow from "./mask-window.wgsl" with { type: "text" };
import { createKernel, type Kernel } from "../kernel.ts";
import { type KernelContext, TEXTURE_WIDTH } from "../kernel-context.ts";
import stepStruct from "../step.wgsl" with { type: "text" };

/** How the KV cache keeps an element. */
export type KvCacheType = "f16" | "f32";

/** Bytes of an element. */
export const KV_CACHE_BYTES: Readonly<Record<KvCacheType, number>> = { f16: 2, f32: 4 };

/** The WGSL that says which slot of the cache a position has, and how eight elements are kept. */
export const CACHE_SOURCES: Readonly<Record<KvCacheType, string>> = {
  f16: cacheSlot + cacheF16,
  f32: cacheSlot + cacheF32,
};

/** The most scores that an invocation may hold: llvmpipe doesn't unroll the loops over more of them (lab/kernels). */
const MAX_SCORES = 24;

/**
 * How attention-subgroup.wgsl shares the work for `group` query heads to a KV head: how many positions an invocation
 * takes, and how many rows a workgroup at most, for which keys and values are loaded once.
 */
function sharesOf(group: number): { positions: number; rows: number } {
  const positions = group <= 4 ? 4 : 2;
  return { positions, rows: 2 * group * positions <= MAX_SCORES ? 2 : 1 };
}

/** The heads of a model, and how its KV cache keeps them. */
export interface AttentionShape {
  readonly heads: number;
  readonly kvHeads: number;
  /** A multiple of 16, at most 256. */
  readonly headSize: number;
  /** How many positions a row sees, its own included; null for all. */
  readonly window: number | null;
  readonly kvCache: KvCacheType;
  /** The first slots of the cache, which are for a branch. */
  readonly branchSlots: number;
}

/** What a layer does with Q, K and V before attention. */
export interface QkvShape extends AttentionShape {
  /** Whether RoPE turns Q and K. */
  readonly rotates: boolean;
  /** Whether each head of Q and K has an RMSNorm first; see qk-norm.wgsl. */
  readonly qkNorms: boolean;
}

/** The constants of rope.wgsl and of what is around it. */
export const qkvConstants = ({ heads, kvHeads, headSize, branchSlots, rotates }: QkvShape) => ({
  HEAD_SIZE: headSize,
  Q_N: heads * headSize,
  KV_N: kvHeads * headSize,
  BRANCH_SLOTS: branchSlots,
  ROTATES: rotates,
});

/** Attention of each row over its past. `resources`: step, queries, keys, values, attended (bindings 0 to 4). */
export function createAttention(
  { device, variant }: KernelContext,
  { heads, kvHeads, headSize, window, kvCache, branchSlots }: AttentionShape,
  resources: readonly Resource[],
): Promise<Kernel> {
  const group = heads / kvHeads;
  const { positions, rows } = sharesOf(group);
  const isSubgroup = variant.kind === "subgroup";
  const constants = {
    HEAD_SIZE: headSize,
    KV_HEADS: kvHeads,
    GROUP: group,
    BRANCH_SLOTS: branchSlots,
    TEXTURE_WIDTH,
    OUT_QUADS: heads * headSize / 4,
    ...(window !== null && { WINDOW: window }),
    ...(isSubgroup && { INVOCATIONS: variant.invocations, POSITIONS: positions }),
  };
  const attention = isSubgroup ? attentionSubgroup : attentionWorkgroup;
  const codes = Array.from({ length: isSubgroup ? rows : 1 }, (_, i) =>
    shaderText({ ...constants, ROWS: i + 1 }, [
      stepStruct,
      CACHE_SOURCES[kvCache],
      variant.memory.cacheRead,
      cacheRead,
      variant.memory.out,
      window === null ? maskCausal : maskWindow,
      attention,
    ]));
  return createKernel(device, "attention", codes, resources, kvHeads, (position, rows) => ({
    bytes: 2 * Math.min(position + rows, (window ?? Infinity) + rows - 1) * kvHeads * headSize *
      KV_CACHE_BYTES[kvCache],
    // Row i has position + i + 1 keys and as many values, or the window's.
    multiplyAdds: 2 * rows * Math.min(position + (rows + 1) / 2, window ?? Infinity) * heads * headSize,
  }));
}
