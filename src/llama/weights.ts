import type { Device } from "../gpu/device.ts";
import { createWords, type KernelVariant, placeWeights, TEXTURE_WIDTH } from "../kernels/kernel-variant.ts";
import type { Matrix, MatrixPart } from "../kernels/matmul/matmul.ts";
import { repack, rowBytes, tileBytes, weightLayout } from "../kernels/formats/weight-layout.ts";
import { dequantize } from "../checkpoint/dequantize.ts";
import type { CheckpointTensor } from "../checkpoint/checkpoint.ts";

/** File bytes that are read and repacked at a time: with their repacked copy well under the 64 MiB that loading may use. */
const CHUNK_BYTES = 8 * 1024 * 1024;

/** How several tensors make one matrix: one after the other, or row by row in turn. */
export type Arrangement = "concatenate" | "alternate";

export interface MatrixPlan {
  readonly name: string;
  readonly tensors: readonly CheckpointTensor[];
  readonly arrangement: Arrangement;
}

/** Bytes that the matrix takes on the device. */
export function matrixBytes(plan: MatrixPlan, variant: KernelVariant): number {
  const { layout, tiles } = measure(plan, variant);
  return tileBytes(layout, tiles);
}

function measure({ tensors }: MatrixPlan, variant: KernelVariant) {
  const columns = tensors[0]!.shape[0]!;
  const rows = tensors.reduce((sum, { shape }) => sum + shape[1]!, 0);
  const layout = weightLayout(tensors[0]!.type, columns, variant.rowLanes);
  return { columns, rows, layout, tiles: Math.ceil(rows / (4 * variant.rowLanes)) };
}

/**
 * Streams the tensors (of one type and one row length) from their file to the device, repacked, cut by rows into parts
 * that the device can bind and dispatch. `onBytes` hears of the file bytes as they are done.
 */
export async function loadMatrix(
  device: Device,
  variant: KernelVariant,
  plan: MatrixPlan,
  onBytes: (bytes: number) => void,
): Promise<Matrix> {
  const { columns, rows, layout, tiles } = measure(plan, variant);
  const bytesPerRow = rowBytes(layout.type, columns);
  const tileRows = 4 * variant.rowLanes;
  const { maxStorageBufferBindingSize, maxBufferSize, maxComputeWorkgroupsPerDimension } = device.limits;
  const textureBytes = variant.memory.textures ? 16 * TEXTURE_WIDTH * device.limits.maxTextureDimension2D : Infinity;
  const limit = Math.min(maxStorageBufferBindingSize, maxBufferSize, textureBytes);
  const partTiles = Math.min(Math.floor(limit / tileBytes(layout)), maxComputeWorkgroupsPerDimension);
  const chunkTiles = Math.max(1, Math.floor(CHUNK_BYTES / (bytesPerRow * tileRows)));
  const parts: MatrixPart[] = [];
  for (let firstTile = 0; firstTile < tiles; firstTile += partTiles) {
    const count = Math.min(partTiles, tiles - firstTile);
    const firstRow = firstTile * tileRows;
    const words = createWords(device, variant, `${plan.name} weights`, tileBytes(layout, count));
    const planesAt = [0, 16 * count * layout.quantWords, 16 * count * (layout.quantWords + layout.scaleWords)];
    const planeBytes = [layout.quantWords, layout.scaleWords, layout.superWords].map((words) => words * 16);
    for (let tile = 0; tile < count; tile += chunkTiles) {
      const from = firstRow + tile * tileRows;
      const to = Math.min(rows, firstRow + Math.min(count, tile + chunkTiles) * tileRows);
      const repacked = repack(layout, await readRows(plan, bytesPerRow, from, to), to - from);
      [repacked.quants, repacked.scales, repacked.supers].forEach((plane, i) => {
        if (plane.length > 0) device.queue.writeBuffer(words, planesAt[i]! + tile * planeBytes[i]!, plane);
      });
      // A write is a copy in Dawn's own memory until the device has taken it: wait, or the whole matrix piles up there.
      await device.idle();
      onBytes((to - from) * bytesPerRow);
    }
    const weights = placeWeights(device, variant, words);
    const partRows = Math.min(rows - firstRow, count * tileRows);
    parts.push({ weights, firstRow, rows: partRows, tiles: count, firstTile });
  }
  return { name: plan.name, rows, columns, layout, parts };
}

/** Rows from .. to - 1 of the matrix that the tensors make, as bytes of the file. */
async function readRows(plan: MatrixPlan, bytesPerRow: number, from: number, to: number): Promise<Uint8Array> {
  const bytes = new Uint8Array((to - from) * bytesPerRow);
  const count = plan.tensors.length;
  if (plan.arrangement === "alternate") {
    const [first, last] = [Math.floor(from / count), Math.ceil(to / count)];
    for (const [i, tensor] of plan.tensors.entries()) {
      const rows = await tensor.source.read(tensor.offset + first * bytesPerRow, (last - first) * bytesPerRow);
      for (let row = first; row < last; row++) {
        const target = row * count + i - from;
        if (target < 0 || target >= to - from) continue;
        const at = (row - first) * bytesPerRow;
        bytes.set(rows.subarray(at, at + bytesPerRow), target * bytesPerRow);
      }
    }
    return bytes;
  }
  let start = 0;
  for (const tensor of plan.tensors) {
    const end = start + tensor.shape[1]!;
    const [first, last] = [Math.max(from, start), Math.min(to, end)];
    if (first < last) {
      const rows = await tensor.source.read(
        tensor.offset + (first - start) * bytesPerRow,
        (last - first) * bytesPerRow,
      );
      bytes.set(rows, (first - from) * bytesPerRow);
    }
    start = end;
  }
  return bytes;
}

/** A one-dimensional tensor as float32 on the device. */
export async function loadVector(device: Device, tensor: CheckpointTensor): Promise<GPUBuffer> {
  const bytes = await tensor.source.read(tensor.offset, tensor.bytes);
  return device.upload(tensor.name, dequantize(tensor.type, bytes, tensor.shape[0]!) as Float32Array<ArrayBuffer>);
}
