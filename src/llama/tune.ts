import type { Device, Resource } from "../gpu/device.ts";
import { timePasses } from "../gpu/pass-times.ts";
import { encodeKernel, type Kernel } from "../kernels/kernel.ts";
import { createRows, defaultVariant, type KernelVariant, possibleVariants } from "../kernels/kernel-variant.ts";
import { createMatmul, type Matrix } from "../kernels/matmul/matmul.ts";
import { PACKINGS, rowBytes, type WeightType } from "../kernels/formats/weight-layout.ts";
import { dequantize } from "../checkpoint/dequantize.ts";
import type { CheckpointTensor } from "../checkpoint/checkpoint.ts";
import type { TunedVariant } from "./tuning.ts";
import { loadMatrix } from "./weights.ts";

/** Rows of the sequence that products are timed with. */
export const TUNED_ROWS = [1, 2, 4, 8] as const;
/** One row counts twice: draft and greedy steps have one. */
const WEIGHTS = [2, 1, 1, 1];
const MAX_ROWS = 8;
/** A small model's product and a large one's; the columns are whole super-blocks. */
const SHAPES = [{ rows: 1536, columns: 768 }, { rows: 2048, columns: 4096 }];
const TYPES = Object.keys(PACKINGS) as WeightType[];
/** The default stays unless another is so much faster: what noise decides would only change the order of summation. */
const GAIN = 0.95;
const DISPATCHES = 4;
const ROUNDS = 5;
/** A shape gets no further round after so long: a slow device's figures are steady enough. */
const ENOUGH_MS = 3000;
/** One that takes so much longer than another with one row is given up: its other compilations alone may take seconds. */
const SLOW = 3;
/** Of a float32 sum's error, relative to the sum of its terms' magnitudes. */
const TOLERANCE = 1e-5;

export interface TuneOptions {
  readonly types?: readonly WeightType[];
  readonly shapes?: readonly { readonly rows: number; readonly columns: number }[];
  readonly onProgress?: (done: number, total: number) => void;
}

/** How one variant did on one shape. */
export interface Measurement {
  readonly type: WeightType;
  readonly rows: number;
  readonly columns: number;
  readonly variant: string;
  /** By `TUNED_ROWS`; null if it may not be chosen. */
  readonly ms: readonly number[] | null;
  /** The weighted geometric mean of `ms`: of two variants, how much faster one is on average over the numbers of rows. */
  readonly score: number | null;
  /** Why it may not be chosen: it doesn't compile, is wrong, or hopelessly slow. */
  readonly problem: string | null;
  readonly isDefault: boolean;
  readonly chosen: boolean;
}

/** Measures every variant that the device can run, format by format, and chooses. Only what gives right products is timed. */
export async function tune(device: Device, options: TuneOptions = {}): Promise<Measurement[]> {
  const { types = TYPES, shapes = SHAPES, onProgress } = options;
  const total = types.length * shapes.length;
  const measurements: Measurement[] = [];
  for (const type of types) {
    for (const { rows, columns } of shapes) {
      onProgress?.(measurements.length / possibleVariants(device).length, total);
      measurements.push(...await measureShape(device, type, rows, columns));
    }
  }
  return measurements;
}

/** What is to be kept of measurements. */
export function choicesOf(measurements: readonly Measurement[]): TunedVariant[] {
  return measurements.filter(({ chosen }) => chosen).map(({ type, columns, variant }) => ({ type, columns, variant }));
}

interface Candidate {
  readonly variant: KernelVariant;
  readonly kernels: readonly Kernel[];
  readonly problem: string | null;
  /** The least, by `TUNED_ROWS`. */
  readonly ms: number[];
}

async function measureShape(device: Device, type: WeightType, rows: number, columns: number): Promise<Measurement[]> {
  const resources: Resource[] = [];
  try {
    const bytes = randomBlocks(type, rows * columns);
    const x = randomFloats(MAX_ROWS * columns);
    const wanted = referenceProduct(dequantize(type, bytes, rows * columns), x, columns);
    const step = device.buffer("step", 16, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
    const y = device.storage("y", MAX_ROWS * rows * 4);
    resources.push(step, y);
    const epilogue = { source: epilogueText(rows), constants: {}, buffers: [y] };
    const matrices = new Map<string, Matrix>();
    const candidates: Candidate[] = [];
    let leastMs = Infinity;
    for (const variant of defaultFirst(device)) {
      let kernels: Kernel[] = [];
      let problem: string | null = null;
      try {
        const layout = `${variant.rowLanes} ${variant.memory.textures}`;
        let matrix = matrices.get(layout);
        if (!matrix) {
          const plan = {
            name: type,
            tensors: [tensorOf(type, bytes, columns, rows)],
            arrangement: "concatenate",
          } as const;
          matrices.set(layout, matrix = await loadMatrix(device, variant, plan, () => {}));
          resources.push(...matrix.parts.map(({ weights }) => weights));
        }
        const input = createRows(device, variant, "x", MAX_ROWS, columns);
        resources.push(input);
        if ("createView" in input) {
          device.queue.writeTexture({ texture: input }, x, { bytesPerRow: columns * 4 }, [columns / 4, MAX_ROWS]);
        } else device.queue.writeBuffer(input, 0, x);
        kernels = await createMatmul(device, variant, matrix, step, input, epilogue);
        const oneRowMs = await timeProduct(device, kernels, 1, 1, 2);
        device.check();
        problem = oneRowMs > SLOW * leastMs
          ? `one row takes ${(oneRowMs / leastMs).toFixed(1)} times as long as another's`
          : await problemOf(device, kernels, y, rows, wanted);
        if (problem === null) leastMs = Math.min(leastMs, oneRowMs);
      } catch (error) {
        // A device that is gone ends the tuning.
        device.check();
        problem = (error as Error).message;
      }
      candidates.push({ variant, kernels, problem, ms: TUNED_ROWS.map(() => Infinity) });
    }
    const sound = candidates.filter(({ problem }) => problem === null);
    const startMs = performance.now();
    for (let round = 0; round < ROUNDS && performance.now() - startMs < ENOUGH_MS; round++) {
      for (const { kernels, ms } of sound) {
        for (const [i, count] of TUNED_ROWS.entries()) {
          ms[i] = Math.min(ms[i]!, await timeProduct(device, kernels, count, DISPATCHES, 1));
        }
      }
    }
    const scored = candidates.map(({ variant, problem, ms }) => ({
      type,
      rows,
      columns,
      variant: variant.name,
      ms: problem === null ? ms : null,
      score: problem === null ? scoreOf(ms) : null,
      problem,
      isDefault: variant.name === defaultVariant(device).name,
    }));
    const chosen = choose(scored);
    return scored.map((measured, i) => ({ ...measured, chosen: i === chosen }));
  } finally {
    device.free(resources);
  }
}

function defaultFirst(device: Device): KernelVariant[] {
  const usual = defaultVariant(device);
  return [usual, ...possibleVariants(device).filter(({ name }) => name !== usual.name)];
}

/** Of a product, in ms: the least of some passes. */
async function timeProduct(
  device: Device,
  kernels: readonly Kernel[],
  count: number,
  dispatches: number,
  passes: number,
): Promise<number> {
  let least = Infinity;
  for (let i = 0; i < passes; i++) {
    const { passMs, wallMs } = await timePasses(device, [(pass) => {
      for (let d = 0; d < dispatches; d++) for (const kernel of kernels) encodeKernel(pass, kernel, count);
    }]);
    least = Math.min(least, (passMs?.[0] || wallMs) / dispatches);
  }
  return least;
}

/** The weighted geometric mean of times by `TUNED_ROWS`. */
export function scoreOf(ms: readonly number[]): number {
  const weights = WEIGHTS.reduce((sum, weight) => sum + weight, 0);
  return Math.exp(ms.reduce((sum, value, i) => sum + WEIGHTS[i]! * Math.log(value), 0) / weights);
}

/** Which has the least score; the default if that is hardly slower; -1 if none may be chosen. */
export function choose(measured: readonly Pick<Measurement, "score" | "isDefault">[]): number {
  const scores = measured.map(({ score }) => score ?? Infinity);
  const least = Math.min(...scores);
  if (least === Infinity) return -1;
  const usual = measured.findIndex(({ isDefault }) => isDefault);
  return usual >= 0 && least > GAIN * scores[usual]! ? usual : scores.indexOf(least);
}

/** What is wrong with products of 1 to MAX_ROWS rows: their values, or a row's bits beside other rows. */
async function problemOf(
  device: Device,
  kernels: readonly Kernel[],
  y: GPUBuffer,
  rows: number,
  wanted: { readonly sums: Float64Array; readonly magnitudes: Float64Array },
): Promise<string | null> {
  let all: Uint32Array | undefined;
  for (const count of [...TUNED_ROWS].reverse()) {
    const encoder = device.encoder();
    encoder.clearBuffer(y);
    const pass = encoder.beginComputePass();
    for (const kernel of kernels) encodeKernel(pass, kernel, count);
    pass.end();
    device.queue.submit([encoder.finish()]);
    const bytes = await device.read(y, count * rows * 4);
    device.check();
    const bits = new Uint32Array(bytes);
    all ??= bits;
    const other = bits.findIndex((value, i) => value !== all![i]);
    if (other >= 0) return `a row of ${count} has other bits than among ${MAX_ROWS}`;
    const got = new Float32Array(bytes);
    const wrong = got.findIndex((value, i) =>
      !(Math.abs(value - wanted.sums[i]!) <= TOLERANCE * wanted.magnitudes[i]!)
    );
    if (wrong >= 0) return `a product of ${count} rows is ${got[wrong]}, wanted ${wanted.sums[wrong]}`;
  }
  return null;
}

const epilogueText = (rows: number) => `
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
fn input_scale(column: u32) -> f32 { return 1.0; }
fn epilogue(column: u32, row_group: u32, sum: vec4f) { if (owner()) { y[column * ${rows / 4}u + row_group] = sum; } }`;

/** y[column][row] in double precision, and the sums of its terms' magnitudes. */
function referenceProduct(weights: Float32Array, x: Float32Array, columns: number) {
  const rows = weights.length / columns;
  const [sums, magnitudes] = [new Float64Array(MAX_ROWS * rows), new Float64Array(MAX_ROWS * rows)];
  for (let column = 0; column < MAX_ROWS; column++) {
    for (let row = 0; row < rows; row++) {
      let sum = 0;
      let magnitude = 0;
      for (let k = 0; k < columns; k++) {
        const term = weights[row * columns + k]! * x[column * columns + k]!;
        sum += term;
        magnitude += Math.abs(term);
      }
      sums[column * rows + row] = sum;
      magnitudes[column * rows + row] = magnitude;
    }
  }
  return { sums, magnitudes };
}

function tensorOf(type: WeightType, bytes: Uint8Array<ArrayBuffer>, columns: number, rows: number): CheckpointTensor {
  const source = {
    name: "random",
    size: bytes.length,
    read: (offset: number, length: number) => Promise.resolve(bytes.slice(offset, offset + length)),
    close: () => Promise.resolve(),
  };
  return { name: "random", type, shape: [columns, rows], source, offset: 0, bytes: bytes.length };
}

/** Where a block keeps 16-bit floats that must be finite and small. */
const HALVES: Readonly<Record<WeightType, readonly number[]>> = {
  F32: [],
  F16: [],
  BF16: [],
  Q4_0: [0],
  Q4_1: [0, 2],
  Q8_0: [0],
  Q4_K: [0, 2],
  Q5_K: [0, 2],
  Q6_K: [208],
};
/** The bits of a float's upper 16 that may be random, and those that are set: values from 0.5 to 1, and their negatives. */
const FLOATS: Readonly<Partial<Record<WeightType, readonly [random: number, set: number]>>> = {
  F16: [0x83ff, 0x3800],
  BF16: [0x807f, 0x3f00],
  F32: [0x807f, 0x3f00],
};

/** Random blocks of a format, the same each time. */
function randomBlocks(type: WeightType, elements: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(rowBytes(type, elements));
  const halves = new Uint16Array(bytes.buffer);
  const random = randomWords();
  for (let i = 0; i < halves.length; i++) halves[i] = random() >>> 16;
  const floats = FLOATS[type];
  if (floats) {
    const stride = PACKINGS[type].bytes / 2;
    for (let i = stride - 1; i < halves.length; i += stride) halves[i] = halves[i]! & floats[0] | floats[1];
  }
  for (const offset of HALVES[type]) {
    for (let at = offset; at < bytes.length; at += PACKINGS[type].bytes) halves[at / 2] = 0x2000; // 2 ** -7
  }
  return bytes;
}

function randomFloats(count: number): Float32Array<ArrayBuffer> {
  const random = randomWords();
  return Float32Array.from({ length: count }, () => random() / 2 ** 31 - 1);
}

/** Numbers of 32 bits: Marsaglia's xorshift. */
function randomWords(): () => number {
  let word = 2463534242;
  return () => {
    word ^= word << 13;
    word ^= word >>> 17;
    word ^= word << 5;
    return word >>> 0;
  };
}
