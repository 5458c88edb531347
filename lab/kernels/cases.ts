// The kernels of a model, each alone: what it runs on, what it must give, what it reads and computes.

import type { Device } from "../../src/gpu/device.ts";
import { BEST_BYTES, CHOICE_BYTES, createArgmax, tileConstants } from "../../src/kernels/sampling/argmax.ts";
import { createAttention } from "../../src/kernels/attention/attention.ts";
import { createEmbed } from "../../src/kernels/embed/embed.ts";
import type { Kernel } from "../../src/kernels/kernel.ts";
import {
  createCache,
  createRows,
  createWords,
  type KernelVariant,
  placeWeights,
} from "../../src/kernels/kernel-variant.ts";
import { createMatmul, type Matrix } from "../../src/kernels/matmul/matmul.ts";
import { repack, rowBytes, tileBytes, weightLayout, type WeightType } from "../../src/kernels/formats/weight-layout.ts";
import { dequantize } from "../../src/checkpoint/dequantize.ts";
import { cacheFloats, randoms, read, write } from "../../tests/kernels/kernel-fixture.ts";
import { quantize } from "../../tests/llama/quantize.ts";

export const MAX_ROWS = 16;

/** What of a Llama the kernels' shapes follow from. */
export interface Shape {
  readonly layers: number;
  readonly hidden: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  readonly feedForward: number;
  readonly vocabulary: number;
}

export interface Case {
  readonly name: string;
  /** Runs a pass. */
  readonly count: number;
  /** Over and over, with data of their own, so that they come from where a model's come from. */
  readonly kernels: readonly Kernel[];
  readonly position: number;
  /** Read from memory in one run, whatever the number of rows. */
  readonly bytes: number;
  /** A row. */
  readonly multiplyAdds: number;
  /** What kernels[0] left, row by row. */
  output(rows: number): Promise<ArrayLike<number>>;
  /** Elements of the output that are held against the reference, with what it says of them. */
  reference(rows: number): Iterable<readonly [index: number, wanted: number]>;
}

/** More than a processor's cache holds. */
const COLD_BYTES = 64 * 2 ** 20;
/** Rows whose weights are made; a large matrix has them over and over. */
const MADE_ROWS = 256;
/** Elements of an output that are held against the reference, about. */
const CHECKED = 2000;

const EPILOGUE = `
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
fn input_scale(column: u32) -> f32 { return 1.0; }
fn epilogue(column: u32, row_group: u32, v: vec4f) {
  if (owner() && column < step.rows) { y[column * (ROW_STRIDE / 4u) + row_group] = v; }
}`;

/** A matrix of random weights, in as many copies as make COLD_BYTES, and the values of its first rows. */
function createMatrices(device: Device, variant: KernelVariant, type: WeightType, rows: number, columns: number) {
  const made = Math.min(rows, MADE_ROWS);
  const pattern = quantize(type, randoms(1, made * columns));
  const file = new Uint8Array(rowBytes(type, columns) * rows);
  for (let at = 0; at < file.length; at += pattern.length) {
    file.set(pattern.subarray(0, Math.min(pattern.length, file.length - at)), at);
  }
  const layout = weightLayout(type, columns, variant.rowLanes);
  const tiles = Math.ceil(rows / (4 * variant.rowLanes));
  const { quants, scales, supers } = repack(layout, file, rows);
  const words = new Uint32Array(tileBytes(layout, tiles) / 4);
  words.set(quants);
  words.set(scales, quants.length);
  words.set(supers, quants.length + scales.length);
  const matrices = Array.from({ length: Math.ceil(COLD_BYTES / words.byteLength) }, (): Matrix => {
    const buffer = createWords(device, variant, type, words.byteLength);
    device.queue.writeBuffer(buffer, 0, words);
    const weights = placeWeights(device, variant, buffer);
    return { name: type, rows, columns, layout, parts: [{ weights, firstRow: 0, rows, tiles, firstTile: 0 }] };
  });
  return { matrices, values: dequantize(type, pattern, made * columns), made, bytes: words.byteLength };
}

async function matmulCase(
  device: Device,
  variant: KernelVariant,
  step: GPUBuffer,
  name: string,
  type: WeightType,
  [rows, columns, count]: readonly [number, number, number],
): Promise<Case> {
  const { matrices, values, made, bytes } = createMatrices(device, variant, type, rows, columns);
  const xs = randoms(2, MAX_ROWS * columns);
  const x = createRows(device, variant, "x", MAX_ROWS, columns);
  write(device, x, xs);
  const stride = Math.ceil(rows / (4 * variant.rowLanes)) * 4 * variant.rowLanes;
  const y = device.storage("y", MAX_ROWS * stride * 4);
  const epilogue = { source: EPILOGUE, constants: { ROW_STRIDE: stride }, buffers: [y] };
  const kernels = await Promise.all(matrices.map((matrix) => createMatmul(device, variant, matrix, step, x, epilogue)));
  return {
    name: `${name} ${rows} x ${columns}`,
    count,
    kernels: kernels.flat(),
    position: 0,
    bytes,
    multiplyAdds: rows * columns,
    output: async (n) => new Float32Array(await device.read(y, n * stride * 4)),
    *reference(n) {
      const skip = Math.ceil(n * rows / CHECKED);
      for (let i = 0; i < n * rows; i += skip) {
        const [column, row] = [Math.floor(i / rows), i % rows];
        let sum = 0;
        for (let k = 0; k < columns; k++) sum += values[row % made * columns + k]! * xs[column * columns + k]!;
        yield [column * stride + row, sum];
      }
    },
  };
}

async function embedCase(
  device: Device,
  variant: KernelVariant,
  step: GPUBuffer,
  type: WeightType,
  { hidden, vocabulary }: Shape,
): Promise<Case> {
  const { matrices, values, made } = createMatrices(device, variant, type, vocabulary, hidden);
  const tokens = Uint32Array.from({ length: MAX_ROWS }, (_, i) => i * 7919 % vocabulary);
  const residual = device.storage("residual", MAX_ROWS * hidden * 4);
  const buffers = [
    device.upload("tokens", tokens),
    device.upload("norm", randoms(3, hidden)),
    createRows(device, variant, "weighted", MAX_ROWS, hidden),
    residual,
    device.storage("squares", MAX_ROWS * hidden),
  ];
  const kernels = await Promise.all(matrices.map((matrix) => createEmbed(device, variant, matrix, step, buffers)));
  return {
    name: `embed ${vocabulary} x ${hidden}`,
    count: 1,
    kernels: kernels.flat(),
    position: 0,
    bytes: rowBytes(type, hidden),
    multiplyAdds: hidden,
    output: async (n) => new Float32Array(await device.read(residual, n * hidden * 4)),
    *reference(n) {
      for (let i = 0; i < n * hidden; i++) {
        yield [i, values[tokens[Math.floor(i / hidden)]! % made * hidden + i % hidden]!];
      }
    },
  };
}

async function attentionCase(
  device: Device,
  variant: KernelVariant,
  step: GPUBuffer,
  shape: Shape,
  context: number,
): Promise<Case> {
  const { layers, heads, kvHeads, headSize } = shape;
  const length = (context + MAX_ROWS) * kvHeads * headSize;
  const width = heads * headSize;
  const bits = [1, 2].map((seed) => new Uint32Array(quantize("F16", randoms(seed, length)).buffer));
  const [keys, values] = bits.map((data) => cacheFloats("f16", data.buffer));
  const qs = randoms(3, MAX_ROWS * width);
  const queries = device.upload("queries", qs);
  const attended = createRows(device, variant, "attended", MAX_ROWS, width);
  const copies = Math.min(layers, Math.ceil(COLD_BYTES / (4 * length)));
  const kernels = await Promise.all(Array.from({ length: copies }, () => {
    const caches = bits.map((data) => {
      const cache = createCache(device, variant, "cache", data.byteLength);
      write(device, cache, data);
      return cache;
    });
    return createAttention(device, variant, "f16", shape, 0, [step, queries, ...caches, attended]);
  }));
  return {
    name: `attention over ${context}`,
    count: layers,
    kernels,
    position: context - 1,
    bytes: 4 * context * kvHeads * headSize,
    multiplyAdds: 2 * context * width,
    output: async (n) => new Float32Array(await read(device, attended, n * width * 4)),
    *reference(n) {
      for (let row = 0; row < n; row++) {
        // The first head and the last one.
        for (const head of [0, heads - 1]) {
          const at = (position: number) => (position * kvHeads + Math.floor(head * kvHeads / heads)) * headSize;
          const scores = Array.from({ length: context + row }, (_, position) => {
            let sum = 0;
            for (let i = 0; i < headSize; i++) sum += qs[row * width + head * headSize + i]! * keys![at(position) + i]!;
            return sum;
          });
          const most = Math.max(...scores);
          const weights = scores.map((score) => Math.exp(score - most));
          const total = weights.reduce((a, b) => a + b);
          for (let i = 0; i < headSize; i += 9) {
            const sum = weights.reduce((sum, weight, position) => sum + weight * values![at(position) + i]!, 0);
            yield [row * width + head * headSize + i, sum / total];
          }
        }
      }
    },
  };
}

async function argmaxCase(
  device: Device,
  variant: KernelVariant,
  step: GPUBuffer,
  { vocabulary }: Shape,
): Promise<Case> {
  const { TILES: tiles, TILE_TOKENS: tileTokens } = tileConstants(variant, vocabulary);
  const logits = randoms(5, MAX_ROWS * vocabulary);
  const bests = new Float32Array(MAX_ROWS * tiles * BEST_BYTES / 4);
  const ids = new Uint32Array(bests.buffer);
  for (let i = 0; i < MAX_ROWS * tiles; i++) {
    const first = (i % tiles) * tileTokens;
    const row = logits.subarray(Math.floor(i / tiles) * vocabulary).subarray(0, vocabulary);
    const tile = row.subarray(first, first + tileTokens);
    const best = Math.max(...tile);
    const sum = tile.reduce((sum, logit) => sum + Math.exp(logit - best), 0);
    [bests[3 * i], ids[3 * i + 1], bests[3 * i + 2]] = [best, first + tile.indexOf(best), sum];
  }
  const chosen = device.storage("chosen", MAX_ROWS * CHOICE_BYTES);
  const buffers = [
    step,
    device.upload("bests", bests),
    device.upload("logits", logits),
    chosen,
    device.storage("tokens", 4),
  ];
  return {
    name: `argmax of ${tiles} tiles`,
    count: 1,
    kernels: [await createArgmax(device, variant, vocabulary, buffers)],
    position: 0,
    bytes: BEST_BYTES * tiles,
    multiplyAdds: 0,
    output: async (n) => new Uint32Array(await device.read(chosen, n * CHOICE_BYTES)),
    *reference(n) {
      for (let row = 0; row < n; row++) {
        const own = logits.subarray(row * vocabulary, (row + 1) * vocabulary);
        yield [3 * row, own.indexOf(Math.max(...own))];
      }
    },
  };
}

/** The kernels of the names `wanted`, of a model of that shape in one format. */
export async function createCases(
  device: Device,
  variant: KernelVariant,
  step: GPUBuffer,
  shape: Shape,
  type: WeightType,
  wanted: readonly string[],
  context: number,
): Promise<Case[]> {
  const { layers, hidden, heads, kvHeads, headSize, feedForward, vocabulary } = shape;
  const products: Readonly<Record<string, readonly [rows: number, columns: number, count: number]>> = {
    qkv: [(heads + 2 * kvHeads) * headSize, hidden, layers],
    "attention output": [hidden, heads * headSize, layers],
    "gate and up": [2 * feedForward, hidden, layers],
    down: [hidden, feedForward, layers],
    output: [vocabulary, hidden, 1],
  };
  const cases: Case[] = [];
  if (wanted.includes("matmul")) {
    for (const [name, product] of Object.entries(products)) {
      cases.push(await matmulCase(device, variant, step, name, type, product));
    }
  }
  if (wanted.includes("attention")) cases.push(await attentionCase(device, variant, step, shape, context));
  if (wanted.includes("embed")) cases.push(await embedCase(device, variant, step, type, shape));
  if (wanted.includes("argmax")) cases.push(await argmaxCase(device, variant, step, shape));
  return cases;
}
