import type { Device, Resource } from "../gpu/device.ts";
import cacheReadBuffer from "./memory/cache-read-buffer.wgsl" with { type: "text" };
import cacheReadTexture from "./memory/cache-read-texture.wgsl" with { type: "text" };
import cacheWriteBuffer from "./memory/cache-write-buffer.wgsl" with { type: "text" };
import cacheWriteTexture from "./memory/cache-write-texture.wgsl" with { type: "text" };
import lanesSubgroup from "./lanes-subgroup.wgsl" with { type: "text" };
import lanesWorkgroup from "./lanes-workgroup.wgsl" with { type: "text" };
import outBuffer from "./memory/out-buffer.wgsl" with { type: "text" };
import outTexture from "./memory/out-texture.wgsl" with { type: "text" };
import rowsBuffer from "./memory/rows-buffer.wgsl" with { type: "text" };
import rowsTexture from "./memory/rows-texture.wgsl" with { type: "text" };
import weightsBuffer from "./memory/weights-buffer.wgsl" with { type: "text" };
import weightsTexture from "./memory/weights-texture.wgsl" with { type: "text" };

/** How a device's invocations share a matrix product; see the heads of lanes-subgroup.wgsl and lanes-workgroup.wgsl. */
export interface KernelVariant {
  /** "rows-8", "split-64": its kind and lanes, as tuning tables and records have it. */
  readonly name: string;
  readonly kind: "subgroup" | "workgroup";
  /** Invocations of a workgroup. */
  readonly lanes: number;
  /** How many of them own rows: all, or 1 where they split k. */
  readonly rowLanes: number;
  readonly source: string;
  readonly memory: Memory;
  /**
   * Whether a code comes out of its word by a mask and a multiplication, for a device whose shifts are slow, or by a
   * shift and a mask. The values are the same.
   */
  readonly codesInPlace: boolean;
  /** Rows of the sequence that a workgroup of a product takes at most. */
  readonly maxColumns: number;
}

/** More than 16 accumulators a lane (4 weight rows x 4) spill (notes in lab/kernels). */
const MAX_COLUMNS = 4;

/** Where kernels find their weights, rows and cache, and leave what the next product reads: in textures or in buffers. */
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

/** Texels of a row of a weight texture: 64 KiB. */
export const TEXTURE_WIDTH = 4096;

/** Row lanes of 4 or 8, at most the smallest subgroup. */
export function rowsVariant(lanes: 4 | 8): KernelVariant {
  return {
    name: `rows-${lanes}`,
    kind: "subgroup",
    lanes,
    rowLanes: lanes,
    source: lanesSubgroup,
    memory: TEXTURES,
    codesInPlace: false,
    maxColumns: MAX_COLUMNS,
  };
}

/** Lanes that split k; needs no subgroups. */
export function splitVariant(lanes = 64): KernelVariant {
  return {
    name: `split-${lanes}`,
    kind: "workgroup",
    lanes,
    rowLanes: 1,
    source: lanesWorkgroup,
    memory: BUFFERS,
    codesInPlace: false,
    maxColumns: MAX_COLUMNS,
  };
}

/** All there are. */
export const ALL_VARIANTS: readonly KernelVariant[] = [
  rowsVariant(4),
  rowsVariant(8),
  ...[32, 64, 128, 256].map((lanes) => splitVariant(lanes)),
];

/** Those that the device can run. */
export function possibleVariants(device: Device): KernelVariant[] {
  const possible = ALL_VARIANTS.filter(({ kind, lanes }) => kind === "workgroup" || lanes <= device.smallestSubgroup);
  if (!device.isSwiftShader) return possible;
  // It loads from buffers sooner than from textures, shifts a vector lane by lane, and has 16 registers (lab/kernels).
  return possible.map((variant) => ({ ...variant, memory: BUFFERS, codesInPlace: true, maxColumns: 2 }));
}

/** Row lanes on a software adapter with subgroups (a CPU's vector lanes), split k on all else. */
export function defaultVariant(device: Device): KernelVariant {
  const name = !device.software || device.smallestSubgroup < 4
    ? "split-64"
    : device.smallestSubgroup >= 8
    ? "rows-8"
    : "rows-4";
  return possibleVariants(device).find((variant) => variant.name === name)!;
}

/** What products read and write, [row][columns] in float32: zeros. */
export function createRows(
  device: Device,
  variant: KernelVariant,
  label: string,
  rows: number,
  columns: number,
): Resource {
  if (!variant.memory.textures) return device.storage(label, rows * columns * 4);
  return device.texture(label, "rgba32float", columns / 4, rows);
}

/** A cache of `bytes` bytes: zeros. */
export function createCache(device: Device, variant: KernelVariant, label: string, bytes: number): Resource {
  if (!variant.memory.textures) return device.storage(label, bytes);
  return device.texture(label, "rgba32uint", TEXTURE_WIDTH, Math.ceil(bytes / (16 * TEXTURE_WIDTH)));
}

/** A buffer of zeros in which `bytes` bytes of a matrix's words are gathered, for `placeWeights`. */
export function createWords(device: Device, variant: KernelVariant, label: string, bytes: number): GPUBuffer {
  if (!variant.memory.textures) return device.storage(label, bytes);
  const row = 16 * TEXTURE_WIDTH;
  return device.buffer(label, Math.ceil(bytes / row) * row, GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST);
}

/** Moves a matrix's words to where products read them; the buffer is used up. */
export function placeWeights(device: Device, variant: KernelVariant, words: GPUBuffer): Resource {
  if (!variant.memory.textures) return words;
  const height = words.size / (16 * TEXTURE_WIDTH);
  const texture = device.texture(words.label, "rgba32uint", TEXTURE_WIDTH, height);
  const encoder = device.encoder();
  encoder.copyBufferToTexture({ buffer: words, bytesPerRow: 16 * TEXTURE_WIDTH }, { texture }, [TEXTURE_WIDTH, height]);
  device.queue.submit([encoder.finish()]);
  device.free([words]);
  return texture;
}
