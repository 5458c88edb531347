import type { Device } from "../gpu/device.ts";
import cacheReadBuffer from "./memory/cache-read-buffer.wgsl" with { type: "text" };
import cacheReadTexture from "./memory/cache-read-texture.wgsl" with { type: "text" };
import cacheWriteBuffer from "./memory/cache-write-buffer.wgsl" with { type: "text" };
import cacheWriteTexture from "./memory/cache-write-texture.wgsl" with { type: "text" };
import outBuffer from "./memory/out-buffer.wgsl" with { type: "text" };
import outTexture from "./memory/out-texture.wgsl" with { type: "text" };
import rowsBuffer from "./memory/rows-buffer.wgsl" with { type: "text" };
import rowsTexture from "./memory/rows-texture.wgsl" with { type: "text" };
import weightsBuffer from "./memory/weights-buffer.wgsl" with { type: "text" };
import weightsTexture from "./memory/weights-texture.wgsl" with { type: "text" };
import splitK from "./split-k.wgsl" with { type: "text" };
import splitN from "./split-n.wgsl" with { type: "text" };

/** How a device's invocations share a matrix product; see the heads of split-n.wgsl and split-k.wgsl. */
export interface KernelVariant {
  /** "rows-8" (8 invocations split N), "split-64" (64 split K): as tuning tables and records have it. */
  readonly name: string;
  readonly kind: "subgroup" | "workgroup";
  /** Invocations of a workgroup. */
  readonly invocations: number;
  /** Weight rows that a workgroup owns: four for each invocation, or four in all where the invocations split K. */
  readonly tileN: number;
  /** The WGSL of the kind. */
  readonly source: string;
  readonly memory: Memory;
  /**
   * Whether a code comes out of its word by a mask and a multiplication, for a device whose shifts are slow, or by a
   * shift and a mask. The values are the same.
   */
  readonly codesInPlace: boolean;
  /** The most rows of the pass that a workgroup of a product takes. */
  readonly maxRows: number;
}

/** More than 16 accumulators in an invocation (4 weight rows x 4 rows) spill (notes in lab/kernels). */
const MAX_ROWS_OF_WORKGROUP = 4;

/** The WGSL by which kernels load and store weights, rows and the KV cache: in textures or in buffers. */
interface Memory {
  readonly textures: boolean;
  readonly weights: string;
  readonly rows: string;
  readonly out: string;
  readonly cacheRead: string;
  readonly cacheWrite: string;
}

const BUFFERS: Memory = {
  textures: false,
  weights: weightsBuffer,
  rows: rowsBuffer,
  out: outBuffer,
  cacheRead: cacheReadBuffer,
  cacheWrite: cacheWriteBuffer,
};
const TEXTURES: Memory = {
  textures: true,
  weights: weightsTexture,
  rows: rowsTexture,
  out: outTexture,
  cacheRead: cacheReadTexture,
  cacheWrite: cacheWriteTexture,
};

/** `invocations` that split N, at most the smallest subgroup's. */
export function rowsVariant(invocations: 4 | 8): KernelVariant {
  return {
    name: `rows-${invocations}`,
    kind: "subgroup",
    invocations,
    tileN: 4 * invocations,
    source: splitN,
    memory: TEXTURES,
    codesInPlace: false,
    maxRows: MAX_ROWS_OF_WORKGROUP,
  };
}

/** `invocations` (a power of two) that split K; needs no subgroups. */
export function splitVariant(invocations = 64): KernelVariant {
  return {
    name: `split-${invocations}`,
    kind: "workgroup",
    invocations,
    tileN: 4,
    source: splitK,
    memory: BUFFERS,
    codesInPlace: false,
    maxRows: MAX_ROWS_OF_WORKGROUP,
  };
}

export const ALL_VARIANTS: readonly KernelVariant[] = [
  rowsVariant(4),
  rowsVariant(8),
  ...[32, 64, 128, 256].map((invocations) => splitVariant(invocations)),
];

/** The variants that the device can run. */
export function possibleVariants(device: Device): KernelVariant[] {
  const possible = ALL_VARIANTS.filter(({ kind, invocations }) =>
    kind === "workgroup" || invocations <= device.smallestSubgroup
  );
  if (!device.isSwiftShader) return possible;
  // SwiftShader loads from buffers faster than from textures, shifts a vector component by component, and has 16
  // registers (lab/kernels).
  return possible.map((variant) => ({ ...variant, memory: BUFFERS, codesInPlace: true, maxRows: 2 }));
}

/** Split N on a software adapter with subgroups (a CPU's vector registers), split K on all else. */
export function defaultVariant(device: Device): KernelVariant {
  const name = !device.software || device.smallestSubgroup < 4
    ? "split-64"
    : device.smallestSubgroup >= 8
    ? "rows-8"
    : "rows-4";
  return possibleVariants(device).find((variant) => variant.name === name)!;
}
