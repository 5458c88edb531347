// The kernels of a model, each alone: the data that it runs on, the output that it must give, its work.

import { ARGMAX_TILE_BYTES, CHOSEN_BYTES, createArgmax, tileConstants } from "../../src/kernels/sampling/argmax.ts";
import { createAttention } from "../../src/kernels/attention/attention.ts";
import { createEmbed } from "../../src/kernels/embed/embed.ts";
import type { Kernel } from "../../src/kernels/kernel.ts";
import type { KernelContext } from "../../src/kernels/kernel-context.ts";
import { createMatmul, type Matrix } from "../../src/kernels/matmul/matmul.ts";
import {
  packedBytes,
  repack,
  tileBytes,
  weightLayout,
  type WeightType,
} from "../../src/kernels/formats/weight-layout.ts";
import { dequantize } from "../../src/checkpoint/dequantize.ts";
import type { ModelShape } from "../../src/plan/model-work.ts";
import { MAX_ROWS } from "../../src/spec/lanes/lane.ts";
import { cacheFloats, randoms, read, write } from "../../tests/kernels/kernel-fixture.ts";
import { quantize } from "../../tests/llama/quantize.ts";

export interface Case {
  readonly name: string;
  /** Runs in a pass of the model. */
  readonly count: number;
  /** The kernel over and over, each with data of its own, so that they come from where a model's come from. */
  readonly kernels: readonly Kernel[];
  readonly position: number;
  /** Bytes read from memory in one run, whatever the number of rows. */
  readonly bytes: number;
  /** Multiply-adds for each row. */
  readonly multiplyAdds: number;
  /** The output of kernels[0], row by row. */
  output(rows: number): Promise<ArrayLike<number>>;
  /** Elements of the output that are held against the reference, with the values that it gives. */
  reference(rows: number): Iterable<readonly [index: number, wanted: number]>;
}

/** More than a processor's cache holds. */
const COLD_BYTES = 64 * 2 ** 20;
/** Weight rows that are made; a large matrix has them over and over. */
const MADE_N = 256;
/** Elements of an output that are held against the reference, about. */
const CHECKED = 2000;

/** Writes y as it is, [row][STRIDE]. */
const EPILOGUE = `
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
fn input_scale(row: u32) -> f32 { return 1.0; }
fn epilogue(row: u32, n_quad: u32, v: vec4f) {
  if (owner() && row < step.rows) { y[row * (STRIDE / 4u) + n_quad] = v; }
}`;

/** A matrix of random weights, in as many copies as make COLD_BYTES, and the values of its first weight rows. */
function createMatrices(context: KernelContext, type: WeightType, n: number, k: number) {
  const { device, variant: { tileN } } = context;
  const made = Math.min(n, MADE_N);
  const pattern = quantize(type, randoms(1, made * k));
  const file = new Uint8Array(packedBytes(type, k) * n);
  for (let at = 0; at < file.length; at += pattern.length) {
    file.set(pattern.subarray(0, Math.min(pattern.length, file.length - at)), at);
  }
  const layout = weightLayout(type, k, tileN);
  const tiles = Math.ceil(n / tileN);
  const { quants, scales, supers } = repack(layout, file, n);
  const words = new Uint32Array(tileBytes(layout, tiles) / 4);
  words.set(quants);
  words.set(scales, quants.length);
  words.set(supers, quants.length + scales.length);
  const matrices = Array.from({ length: Math.ceil(COLD_BYTES / words.byteLength) }, (): Matrix => {
    const buffer = context.createWords(type, words.byteLength);
    device.queue.writeBuffer(buffer, 0, words);
    const weights = context.placeWeights(buffer);
    return { name: type, n, k, layout, parts: [{ weights, firstN: 0, n, tiles, firstTile: 0 }] };
  });
  return { matrices, values: dequantize(type, pattern, made * k), made, bytes: words.byteLength };
}

async function matmulCase(
  context: KernelContext,
  step: GPUBuffer,
  name: string,
  type: WeightType,
  { n, k, count }: Product,
): Promise<Case> {
  const { device, variant: { tileN } } = context;
  const { matrices, values, made, bytes } = createMatrices(context, type, n, k);
  const xs = randoms(2, MAX_ROWS * k);
  const x = context.createRows("x", MAX_ROWS, k);
  write(device, x, xs);
  const stride = Math.ceil(n / tileN) * tileN;
  const y = device.storage("y", MAX_ROWS * stride * 4);
  const epilogue = { source: EPILOGUE, constants: { STRIDE: stride }, resources: [y] };
  const kernels = await Promise.all(matrices.map((matrix) => createMatmul(context, matrix, step, x, epilogue)));
  return {
    name: `${name} ${n} x ${k}`,
    count,
    kernels: kernels.flat(),
    position: 0,
    bytes,
    multiplyAdds: n * k,
    output: async (rows) => new Float32Array(await device.read(y, rows * stride * 4)),
    *reference(rows) {
      const skip = Math.ceil(rows * n / CHECKED);
      for (let at = 0; at < rows * n; at += skip) {
        const [row, weightRow] = [Math.floor(at / n), at % n];
        let sum = 0;
        for (let i = 0; i < k; i++) sum += values[weightRow % made * k + i]! * xs[row * k + i]!;
        yield [row * stride + weightRow, sum];
      }
    },
  };
}

async function embedCase(
  context: KernelContext,
  step: GPUBuffer,
  type: WeightType,
  { hidden, vocabulary }: ModelShape,
): Promise<Case> {
  const { device } = context;
  const { matrices, values, made } = createMatrices(context, type, vocabulary, hidden);
  const tokens = Uint32Array.from({ length: MAX_ROWS }, (_, i) => i * 7919 % vocabulary);
  const residual = device.storage("residual", MAX_ROWS * hidden * 4);
  const resources = [
    device.upload("tokens", tokens),
    device.upload("norm", randoms(3, hidden)),
    context.createRows("weighted", MAX_ROWS, hidden),
    residual,
    device.storage("squares", MAX_ROWS * hidden),
    device.storage("history", MAX_ROWS * 4),
  ];
  const kernels = await Promise.all(matrices.map((matrix) => createEmbed(context, matrix, step, 0, resources)));
  return {
    name: `embed ${vocabulary} x ${hidden}`,
    count: 1,
    kernels: kernels.flat(),
    position: 0,
    bytes: packedBytes(type, hidden),
    multiplyAdds: hidden,
    output: async (rows) => new Float32Array(await device.read(residual, rows * hidden * 4)),
    *reference(rows) {
      for (let i = 0; i < rows * hidden; i++) {
        yield [i, values[tokens[Math.floor(i / hidden)]! % made * hidden + i % hidden]!];
      }
    },
  };
}

async function attentionCase(
  context: KernelContext,
  step: GPUBuffer,
  shape: ModelShape,
  positions: number,
): Promise<Case> {
  const { device } = context;
  const { layers, heads, kvHeads, headSize } = shape;
  const length = (positions + MAX_ROWS) * kvHeads * headSize;
  const width = heads * headSize;
  const bits = [1, 2].map((seed) => new Uint32Array(quantize("F16", randoms(seed, length)).buffer));
  const [keys, values] = bits.map((data) => cacheFloats("f16", data.buffer));
  const qs = randoms(3, MAX_ROWS * width);
  const queries = device.upload("queries", qs);
  const attended = context.createRows("attended", MAX_ROWS, width);
  const copies = Math.min(layers, Math.ceil(COLD_BYTES / (4 * length)));
  const kernels = await Promise.all(Array.from({ length: copies }, () => {
    const caches = bits.map((data) => {
      const cache = context.createCache("cache", data.byteLength);
      write(device, cache, data);
      return cache;
    });
    const attentionShape = { heads, kvHeads, headSize, window: null, kvCache: "f16", branchSlots: 0 } as const;
    return createAttention(context, attentionShape, [step, queries, ...caches, attended]);
  }));
  return {
    name: `attention over ${positions}`,
    count: layers,
    kernels,
    position: positions - 1,
    bytes: 4 * positions * kvHeads * headSize,
    multiplyAdds: 2 * positions * width,
    output: async (rows) => new Float32Array(await read(device, attended, rows * width * 4)),
    *reference(rows) {
      for (let row = 0; row < rows; row++) {
        // The first head and the last one.
        for (const head of [0, heads - 1]) {
          const at = (position: number) => (position * kvHeads + Math.floor(head * kvHeads / heads)) * headSize;
          const scores = Array.from({ length: positions + row }, (_, position) => {
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

async function argmaxCase(context: KernelContext, step: GPUBuffer, { vocabulary }: ModelShape): Promise<Case> {
  const { device } = context;
  const { TILES: tiles, TILE_TOKENS: tileTokens } = tileConstants(context.variant, vocabulary);
  const logits = randoms(5, MAX_ROWS * vocabulary);
  const floats = new Float32Array(MAX_ROWS * tiles * ARGMAX_TILE_BYTES / 4);
  const ids = new Uint32Array(floats.buffer);
  for (let i = 0; i < MAX_ROWS * tiles; i++) {
    const first = (i % tiles) * tileTokens;
    const row = logits.subarray(Math.floor(i / tiles) * vocabulary).subarray(0, vocabulary);
    const tile = row.subarray(first, first + tileTokens);
    const best = Math.max(...tile);
    const sum = tile.reduce((sum, logit) => sum + Math.exp(logit - best), 0);
    [floats[3 * i], ids[3 * i + 1], floats[3 * i + 2]] = [best, first + tile.indexOf(best), sum];
  }
  const chosen = device.storage("chosen", MAX_ROWS * CHOSEN_BYTES);
  const buffers = [
    step,
    device.upload("argmax tiles", floats),
    device.upload("logits", logits),
    chosen,
    device.storage("tokens", 4),
  ];
  return {
    name: `argmax of ${tiles} tiles`,
    count: 1,
    kernels: [await createArgmax(context, vocabulary, buffers)],
    position: 0,
    bytes: ARGMAX_TILE_BYTES * tiles,
    multiplyAdds: 0,
    output: async (rows) => new Uint32Array(await device.read(chosen, rows * CHOSEN_BYTES)),
    *reference(rows) {
      for (let row = 0; row < rows; row++) {
        const own = logits.subarray(row * vocabulary, (row + 1) * vocabulary);
        yield [3 * row, own.indexOf(Math.max(...own))];
      }
    },
  };
}

/** A product of a pass: the shape of its matrix, and how often a pass has it. */
interface Product {
  readonly n: number;
  readonly k: number;
  readonly count: number;
}

/** The kernels of the names `wanted`, for a model of that shape in one format, with `positions` in its KV cache. */
export async function createCases(
  context: KernelContext,
  step: GPUBuffer,
  shape: ModelShape,
  type: WeightType,
  wanted: readonly string[],
  positions: number,
): Promise<Case[]> {
  const { layers, hidden, heads, kvHeads, headSize, feedForward, vocabulary } = shape;
  const products: Readonly<Record<string, Product>> = {
    qkv: { n: (heads + 2 * kvHeads) * headSize, k: hidden, count: layers },
    "attention output": { n: hidden, k: heads * headSize, count: layers },
    "gate and up": { n: 2 * feedForward, k: hidden, count: layers },
    down: { n: hidden, k: feedForward, count: layers },
    output: { n: vocabulary, k: hidden, count: 1 },
  };
  const cases: Case[] = [];
  if (wanted.includes("matmul")) {
    for (const [name, product] of Object.entries(products)) {
      cases.push(await matmulCase(context, step, name, type, product));
    }
  }
  if (wanted.includes("attention")) cases.push(await attentionCase(context, step, shape, positions));
  if (wanted.includes("embed")) cases.push(await embedCase(context, step, type, shape));
  if (wanted.includes("argmax")) cases.push(await argmaxCase(context, step, shape));
  return cases;
}
