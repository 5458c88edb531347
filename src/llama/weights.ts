import type { Device } from "../gpu/device.ts";
import { type KernelContext, TEXTURE_WIDTH } from "../kernels/kernel-context.ts";
import type { KernelVariant } from "../kernels/kernel-variant.ts";
import type { Matrix, MatrixPart } from "../kernels/matmul/matmul.ts";
import { packedBytes, repack, tileBytes, weightLayout } from "../kernels/formats/weight-layout.ts";
import { dequantize } from "../checkpoint/dequantize.ts";
import type { CheckpointTensor } from "../checkpoint/checkpoint.ts";
import { sum } from "../util/numbers.ts";

/**
 * File bytes that are read and repacked at a time: with their repacked copy well under the 64 MiB that loading may use.
 */
const CHUNK_BYTES = 8 * 1024 * 1024;

/** How several tensors make one matrix along n: one after the other, or weight row by weight row in turn. */
export type Arrangement = "concatenate" | "alternate";

/** A matrix of one tensor, or of several of one type and one k. */
export interface MatrixPlan {
  readonly name: string;
  /** Each of the shape [k, n], as files give it. */
  readonly tensors: readonly CheckpointTensor[];
  readonly arrangement: Arrangement;
  /** The bias [n] of each tensor, or null for one without; left out where none has any. */
  readonly biases?: readonly (CheckpointTensor | null)[];
}

/** Bytes that the matrix takes on the device. */
export function matrixBytes(plan: MatrixPlan, variant: KernelVariant): number {
  const { layout, tiles } = measure(plan, variant);
  return tileBytes(layout, tiles);
}

function measure({ tensors }: MatrixPlan, { tileN }: KernelVariant) {
  const k = tensors[0]!.shape[0]!;
  const n = sum(tensors.map(({ shape }) => shape[1]!));
  return { n, k, layout: weightLayout(tensors[0]!.type, k, tileN), tiles: Math.ceil(n / tileN) };
}

/**
 * Streams the tensors from their file to the device, repacked, cut along n into parts that the device can bind and
 * dispatch. `onBytes` hears of the file bytes as they are done.
 */
export async function loadMatrix(
  context: KernelContext,
  plan: MatrixPlan,
  onBytes: (bytes: number) => void,
): Promise<Matrix> {
  const { device, variant } = context;
  const { tileN } = variant;
  const { n, k, layout, tiles } = measure(plan, variant);
  const weightRowBytes = packedBytes(layout.type, k);
  const { maxStorageBufferBindingSize, maxBufferSize, maxComputeWorkgroupsPerDimension } = device.limits;
  const textureBytes = variant.memory.textures ? 16 * TEXTURE_WIDTH * device.limits.maxTextureDimension2D : Infinity;
  const limit = Math.min(maxStorageBufferBindingSize, maxBufferSize, textureBytes);
  const partTiles = Math.min(Math.floor(limit / tileBytes(layout)), maxComputeWorkgroupsPerDimension);
  const chunkTiles = Math.max(1, Math.floor(CHUNK_BYTES / (weightRowBytes * tileN)));
  const parts: MatrixPart[] = [];
  for (let firstTile = 0; firstTile < tiles; firstTile += partTiles) {
    const count = Math.min(partTiles, tiles - firstTile);
    const firstN = firstTile * tileN;
    const words = context.createWords(`${plan.name} weights`, tileBytes(layout, count));
    const planesAt = [0, 16 * count * layout.quantWords, 16 * count * (layout.quantWords + layout.scaleWords)];
    const planeBytes = [layout.quantWords, layout.scaleWords, layout.superWords].map((words) => words * 16);
    for (let tile = 0; tile < count; tile += chunkTiles) {
      const from = firstN + tile * tileN;
      const to = Math.min(n, firstN + Math.min(count, tile + chunkTiles) * tileN);
      const repacked = repack(layout, await readWeightRows(plan, weightRowBytes, from, to), to - from);
      [repacked.quants, repacked.scales, repacked.supers].forEach((plane, i) => {
        if (plane.length > 0) device.queue.writeBuffer(words, planesAt[i]! + tile * planeBytes[i]!, plane);
      });
      // A write is a copy in Dawn's own memory until the device has taken it: wait, or the whole matrix piles up there.
      await device.idle();
      onBytes((to - from) * weightRowBytes);
    }
    const weights = context.placeWeights(words);
    parts.push({ weights, firstN, n: Math.min(n - firstN, count * tileN), tiles: count, firstTile });
  }
  const bias = plan.biases && await loadBias(device, plan, plan.biases, tiles * tileN);
  plan.biases?.forEach((tensor) => onBytes(tensor?.bytes ?? 0));
  return { name: plan.name, n, k, layout, parts, bias };
}

/** The weight rows from .. to - 1 of the matrix that the tensors make, `weightRowBytes` bytes of the file each. */
async function readWeightRows(plan: MatrixPlan, weightRowBytes: number, from: number, to: number): Promise<Uint8Array> {
  const bytes = new Uint8Array((to - from) * weightRowBytes);
  const count = plan.tensors.length;
  if (plan.arrangement === "alternate") {
    const [first, last] = [Math.floor(from / count), Math.ceil(to / count)];
    for (const [i, tensor] of plan.tensors.entries()) {
      const read = await tensor.source.read(tensor.offset + first * weightRowBytes, (last - first) * weightRowBytes);
      for (let n = first; n < last; n++) {
        const target = n * count + i - from;
        if (target < 0 || target >= to - from) continue;
        const at = (n - first) * weightRowBytes;
        bytes.set(read.subarray(at, at + weightRowBytes), target * weightRowBytes);
      }
    }
    return bytes;
  }
  let start = 0;
  for (const tensor of plan.tensors) {
    const end = start + tensor.shape[1]!;
    const [first, last] = [Math.max(from, start), Math.min(to, end)];
    if (first < last) {
      const read = await tensor.source.read(
        tensor.offset + (first - start) * weightRowBytes,
        (last - first) * weightRowBytes,
      );
      bytes.set(read, (first - from) * weightRowBytes);
    }
    start = end;
  }
  return bytes;
}

/** The biases arranged as the tensors are, zeros for those that are null and up to `length`. */
async function loadBias(
  device: Device,
  { name, tensors, arrangement }: MatrixPlan,
  biases: readonly (CheckpointTensor | null)[],
  length: number,
): Promise<GPUBuffer> {
  const all = new Float32Array(length);
  let start = 0;
  for (const [i, tensor] of biases.entries()) {
    const [first, stride] = arrangement === "alternate" ? [i, tensors.length] : [start, 1];
    if (tensor) (await readVector(tensor)).forEach((value, n) => all[first + n * stride] = value);
    start += tensors[i]!.shape[1]!;
  }
  return device.upload(`${name} bias`, all);
}

/** A one-dimensional tensor as float32 on the device. */
export async function loadVector(device: Device, tensor: CheckpointTensor): Promise<GPUBuffer> {
  return device.upload(tensor.name, await readVector(tensor));
}

async function readVector(
  { type, shape, source, offset, bytes }: CheckpointTensor,
): Promise<Float32Array<ArrayBuffer>> {
  return dequantize(type, await source.read(offset, bytes), shape[0]!) as Float32Array<ArrayBuffer>;
}
