// Times each format of weights: models of one shape with random weights on the device of the other parts, one thread,
// in turn within each round. Multiply-adds bound a software adapter, so the figures are compared per weight. One step
// on SwiftShader, the last resort, is timed too, and compared with nothing.

import { type AdapterInfo, findAdapter, listAdapters, openDevice } from "../src/gpu/adapters.ts";
import { Device } from "../src/gpu/device.ts";
import { llamaConfig } from "../src/checkpoint/config.ts";
import type { TensorType } from "../src/checkpoint/formats.ts";
import type { Checkpoint } from "../src/checkpoint/checkpoint.ts";
import { Llama } from "../src/llama/llama.ts";
import { openBytes, randomLlama } from "../tests/checkpoint/gguf-builder.ts";
import { findTestAdapter } from "../tests/with-device.ts";
import { ADAPTER, assertSame, type BenchOptions, decode, progress } from "./fixture.ts";
import { ratio, rotate, show, type Spread, spread } from "./rounds.ts";

/** llama.cpp's Q4_K_M: the embedding, and in every second layer V and the down matrix, have six bits. */
const mixed = (name: string): TensorType => /token_embd|blk\.0\.(attn_v|ffn_down)/.test(name) ? "Q6_K" : "Q4_K";
const FORMATS: Readonly<Record<string, TensorType | ((name: string) => TensorType)>> = {
  Q4_0: "Q4_0",
  Q4_1: "Q4_1",
  Q5_0: "Q5_0",
  Q5_1: "Q5_1",
  Q8_0: "Q8_0",
  Q2_K: "Q2_K",
  Q3_K: "Q3_K",
  Q4_K_M: mixed,
  Q5_K: "Q5_K",
  Q6_K: "Q6_K",
  IQ4_NL: "IQ4_NL",
  IQ4_XS: "IQ4_XS",
  MXFP4: "MXFP4",
  F16: "F16",
  BF16: "BF16",
};

/** Each k is in whole super-blocks of 256, which SmolLM2-135M's 576 is not; more weights than a cache holds. */
const SHAPE = {
  hidden: 768,
  heads: 12,
  kvHeads: 4,
  headSize: 64,
  feedForward: 2048,
  vocabulary: 8192,
  tied: true,
  seed: 1,
};
const LAYERS = 12;
/** Layers whose weights are made; the others have the same weights. */
const MADE_LAYERS = 2;
const ROWS = [1, 2, 4, 8];
const CONTEXT = 64;
const STEPS = 16;

export interface FormatFigures {
  readonly weights: number;
  /** Bytes of the weights in the file. */
  readonly bytes: number;
  /** Time of a decode step on the device. */
  readonly decodeMs: Spread;
  /** The time per weight, as a ratio to the least of all formats. At most 1.5 is wanted. */
  readonly toBest: Spread;
  /** tv(n): time of a verification of n rows on the device. */
  readonly verifyMs: Readonly<Record<number, Spread>>;
  /** tv(n) / tv(1). */
  readonly verifyRatio: Readonly<Record<number, Spread>>;
}

export interface FormatsFigures {
  readonly formats: Readonly<Record<string, FormatFigures>>;
  /** ms for 100 M weights, in a step of the Q4_1 model with MADE_LAYERS layers on SwiftShader; null without it. */
  readonly swiftShaderMs: number | null;
}

interface RunModel extends Pick<FormatFigures, "weights" | "bytes"> {
  readonly name: string;
  readonly llama: Llama;
  /** The figures of each round. */
  readonly decodeMs: number[];
  readonly verifyMs: Readonly<Record<number, number[]>>;
}

export async function formats({ runs, quick }: BenchOptions): Promise<FormatsFigures> {
  const layers = quick ? 4 : LAYERS;
  const device = await open(findAdapter(await listAdapters(), ADAPTER));
  try {
    const models: RunModel[] = [];
    for (const name of Object.keys(FORMATS)) {
      progress(`formats: loading ${name}`);
      models.push({
        name,
        ...await load(device, FORMATS[name]!, layers),
        decodeMs: [],
        verifyMs: Object.fromEntries(ROWS.map((rows) => [rows, []])),
      });
    }
    const text = Array.from({ length: CONTEXT + Math.max(...ROWS) }, (_, i) => 31 * i % SHAPE.vocabulary);
    for (const { llama } of models) await llama.prefill(text.slice(0, CONTEXT), 0);
    for (let round = 0; round < runs; round++) {
      await rotate(
        round,
        models.map(({ name, llama, decodeMs, verifyMs }) => async () => {
          progress(`formats: round ${round + 1} of ${runs}, ${name}`);
          const decoded = await decode(llama, text[CONTEXT]!, CONTEXT, STEPS);
          decodeMs.push(decoded.deviceMs / STEPS);
          for (const rows of ROWS) {
            const times = [];
            for (let i = 0; i < 3; i++) {
              const { tokens, startMs, endMs } = await llama.verify(text.slice(CONTEXT, CONTEXT + rows), CONTEXT);
              assertSame(`${name}, ${rows} rows`, tokens.slice(0, 1), decoded.tokens.slice(0, 1));
              times.push(endMs - startMs);
            }
            verifyMs[rows]!.push(spread(times).median);
          }
        }),
      );
    }
    const best = Array.from(
      { length: runs },
      (_, round) => Math.min(...models.map(({ decodeMs, weights }) => decodeMs[round]! / weights)),
    );
    progress("formats: SwiftShader");
    const swiftShaderMs = await timeSwiftShader();
    progress("");
    const entries = models.map(({ name, weights, bytes, decodeMs, verifyMs }): [string, FormatFigures] => [name, {
      weights,
      bytes,
      decodeMs: spread(decodeMs),
      toBest: ratio(decodeMs.map((ms) => ms / weights), best),
      verifyMs: Object.fromEntries(ROWS.map((rows) => [rows, spread(verifyMs[rows]!)])),
      verifyRatio: Object.fromEntries(ROWS.map((rows) => [rows, ratio(verifyMs[rows]!, verifyMs[1]!)])),
    }]);
    report(entries, swiftShaderMs);
    return { formats: Object.fromEntries(entries), swiftShaderMs };
  } finally {
    progress("");
    device.close();
  }
}

const open = async (adapter: AdapterInfo) => new Device(await openDevice({ adapter, label: "formats", threads: 1 }));

/** A model with `layers` layers, and its matrices' weights and bytes. */
async function load(device: Device, type: TensorType | ((name: string) => TensorType), layers: number) {
  const made = await openBytes(randomLlama({ ...SHAPE, type, layers: MADE_LAYERS }));
  const tensors = repeatLayers(made.tensors, layers);
  const config = { ...await llamaConfig(made), layers };
  const matrices = [...tensors.values()].filter(({ shape }) => shape.length === 2);
  return {
    llama: await Llama.load(device, { ...made, tensors }, config, { capacity: 2 * CONTEXT }),
    weights: matrices.reduce((sum, { shape }) => sum + shape[0]! * shape[1]!, 0),
    bytes: matrices.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

/** Measures FormatsFigures.swiftShaderMs. */
async function timeSwiftShader(): Promise<number | null> {
  const adapter = await findTestAdapter("swiftshader").catch(() => null);
  if (!adapter) return null;
  const device = await open(adapter);
  try {
    const { llama, weights } = await load(device, "Q4_1", MADE_LAYERS);
    await llama.decode(0, 0, 1);
    const { startMs, endMs } = await llama.decode(0, 0, 1);
    return (endMs - startMs) * 1e8 / weights;
  } finally {
    device.close();
  }
}

/** The tensors of `layers` layers, of which all but the first MADE_LAYERS are those over again. */
function repeatLayers(made: Checkpoint["tensors"], layers: number): Checkpoint["tensors"] {
  const tensors = new Map(made);
  for (const [name, tensor] of made) {
    const [, made, rest] = /^blk\.(\d+)(\..+)$/.exec(name) ?? [];
    for (let layer = Number(made); layer < layers; layer += MADE_LAYERS) tensors.set(`blk.${layer}${rest}`, tensor);
  }
  return tensors;
}

function report(entries: readonly [string, FormatFigures][], swiftShaderMs: number | null): void {
  const millions = Math.round(entries[0]![1].weights / 1e6);
  console.log(`\nformats: ${millions} M random weights, one thread; ms of the device after ${CONTEXT} tokens`);
  for (const [name, { weights, bytes, decodeMs, toBest, verifyRatio }] of entries) {
    const per100M = decodeMs.median * 1e8 / weights;
    const words = [
      name.padEnd(6),
      `decode ${show(decodeMs)}`,
      `${per100M.toFixed(1)} a 100 M weights`,
      `to the best ${show(toBest, 2)}`,
      `${(bytes / decodeMs.median / 1e6).toFixed(1)} GB/s`,
      ...ROWS.slice(1).map((rows) => `tv(${rows})/tv(1) ${show(verifyRatio[rows]!, 2)}`),
    ];
    console.log(`  ${words.join("  ")}`);
  }
  console.log(
    `  SwiftShader, Q4_1: ${swiftShaderMs === null ? "it isn't here" : `${swiftShaderMs.toFixed(0)} a 100 M weights`}`,
  );
}
