import type { Device, Resource } from "../gpu/device.ts";
import { timePasses } from "../gpu/pass-times.ts";
import { encodeKernel, type Kernel } from "../kernels/kernel.ts";
import { KernelContext } from "../kernels/kernel-context.ts";
import { defaultVariant, type KernelVariant, possibleVariants } from "../kernels/kernel-variant.ts";
import { createMatmul, type Epilogue, type Matrix } from "../kernels/matmul/matmul.ts";
import { packedBytes, PACKINGS, type WeightType } from "../kernels/formats/weight-layout.ts";
import { dequantize } from "../checkpoint/dequantize.ts";
import type { CheckpointTensor } from "../checkpoint/checkpoint.ts";
import { sum } from "../util/numbers.ts";
import { randomOf } from "../util/random.ts";
import type { TunedVariant } from "./tuning.ts";
import { loadMatrix } from "./weights.ts";

/** Rows of the pass that products are timed with. */
export const TUNED_ROWS = [1, 2, 4, 8] as const;
/** How much each of `TUNED_ROWS` counts: one row twice, for draft and greedy steps have one. */
const WEIGHTS = [2, 1, 1, 1];
/** Rows of the pass that products are checked with. */
const CHECKED_ROWS = Math.max(...TUNED_ROWS);
/** A small model's product and a large one's; k is in whole super-blocks. */
const SHAPES = [{ n: 1536, k: 768 }, { n: 2048, k: 4096 }];
const TYPES = Object.keys(PACKINGS) as WeightType[];
/**
 * The default stays unless another variant takes less than this part of its time: what noise decides would only change
 * the order of summation.
 */
const GAIN = 0.95;
/** Dispatches in a timed pass. */
const DISPATCHES = 4;
/** Timed passes of each variant and number of rows, of which the fastest counts. */
const ROUNDS = 5;
/** Once a shape has taken this time, in ms, it gets no further round: a slow device's figures are steady enough. */
const ENOUGH_MS = 3000;
/**
 * A variant that takes longer with one row, by this factor, than another one is given up: its other compilations alone
 * may take seconds.
 */
const SLOW = 3;
/** The largest error of a float32 sum, relative to the sum of its terms' magnitudes. */
const TOLERANCE = 1e-5;

/** The shape of a matrix: n weight rows of k elements. */
interface Shape {
  readonly n: number;
  readonly k: number;
}

export interface TuneOptions {
  readonly types?: readonly WeightType[];
  readonly shapes?: readonly Shape[];
  readonly onProgress?: (done: number, total: number) => void;
}

/** How one variant did on one shape. */
export interface Measurement extends Shape {
  readonly type: WeightType;
  readonly variant: string;
  /** The times by `TUNED_ROWS`; null if the variant may not be chosen. */
  readonly ms: readonly number[] | null;
  /**
   * The weighted geometric mean of `ms`: the ratio of two variants' scores is how much faster one is on average over
   * the numbers of rows.
   */
  readonly score: number | null;
  /** Why the variant may not be chosen: it doesn't compile, is wrong, or hopelessly slow. */
  readonly problem: string | null;
  readonly isDefault: boolean;
  readonly chosen: boolean;
}

/**
 * Measures every variant that the device can run, format by format, and chooses. Only variants that give right products
 * are timed.
 */
export async function tune(device: Device, options: TuneOptions = {}): Promise<Measurement[]> {
  const { types = TYPES, shapes = SHAPES, onProgress } = options;
  const total = types.length * shapes.length;
  const measurements: Measurement[] = [];
  for (const type of types) {
    for (const shape of shapes) {
      onProgress?.(measurements.length / possibleVariants(device).length, total);
      measurements.push(...await measureShape(device, type, shape));
    }
  }
  return measurements;
}

/** The chosen variants, to be kept. */
export function chosenOf(measurements: readonly Measurement[]): TunedVariant[] {
  return measurements.filter(({ chosen }) => chosen).map(({ type, k, variant }) => ({ type, k, variant }));
}

interface Candidate {
  readonly variant: KernelVariant;
  readonly kernels: readonly Kernel[];
  readonly problem: string | null;
  /** The least times, by `TUNED_ROWS`. */
  readonly ms: number[];
}

async function measureShape(device: Device, type: WeightType, { n, k }: Shape): Promise<Measurement[]> {
  const product = new RandomProduct(device, type, { n, k });
  try {
    const candidates: Candidate[] = [];
    let leastMs = Infinity;
    for (const variant of defaultFirst(device)) {
      let kernels: readonly Kernel[] = [];
      let problem: string | null = null;
      try {
        kernels = await product.createKernels(variant);
        const oneRowMs = await timeKernels(device, kernels, 1, 1, 2);
        device.check();
        problem = oneRowMs > SLOW * leastMs
          ? `one row takes ${(oneRowMs / leastMs).toFixed(1)} times as long as another's`
          : await product.problemOf(kernels);
        if (problem === null) leastMs = Math.min(leastMs, oneRowMs);
      } catch (error) {
        // A device that is gone ends the tuning.
        device.check();
        problem = (error as Error).message;
      }
      candidates.push({ variant, kernels, problem, ms: TUNED_ROWS.map(() => Infinity) });
    }
    await timeCandidates(device, candidates.filter(({ problem }) => problem === null));
    const scored = candidates.map(({ variant, problem, ms }) => ({
      type,
      n,
      k,
      variant: variant.name,
      ms: problem === null ? ms : null,
      score: problem === null ? scoreOf(ms) : null,
      problem,
      isDefault: variant.name === defaultVariant(device).name,
    }));
    const chosen = choose(scored);
    return scored.map((measured, i) => ({ ...measured, chosen: i === chosen }));
  } finally {
    product.free();
  }
}

function defaultFirst(device: Device): KernelVariant[] {
  const usual = defaultVariant(device);
  return [usual, ...possibleVariants(device).filter(({ name }) => name !== usual.name)];
}

/** Lowers the candidates' times to the least of some rounds, in each of which all take turns. */
async function timeCandidates(device: Device, candidates: readonly Candidate[]): Promise<void> {
  const startMs = performance.now();
  for (let round = 0; round < ROUNDS && performance.now() - startMs < ENOUGH_MS; round++) {
    for (const { kernels, ms } of candidates) {
      for (const [i, rows] of TUNED_ROWS.entries()) {
        ms[i] = Math.min(ms[i]!, await timeKernels(device, kernels, rows, DISPATCHES, 1));
      }
    }
  }
}

/** The time of a dispatch of all kernels, in ms: the least of some passes. */
async function timeKernels(
  device: Device,
  kernels: readonly Kernel[],
  rows: number,
  dispatches: number,
  passes: number,
): Promise<number> {
  let least = Infinity;
  for (let i = 0; i < passes; i++) {
    const { passMs, wallMs } = await timePasses(device, [(pass) => {
      for (let d = 0; d < dispatches; d++) for (const kernel of kernels) encodeKernel(pass, kernel, rows);
    }]);
    least = Math.min(least, (passMs?.[0] || wallMs) / dispatches);
  }
  return least;
}

/** The weighted geometric mean of times by `TUNED_ROWS`. */
export function scoreOf(ms: readonly number[]): number {
  return Math.exp(sum(ms.map((value, i) => WEIGHTS[i]! * Math.log(value))) / sum(WEIGHTS));
}

/** The index of the least score; the default's if that is hardly larger; -1 if none may be chosen. */
export function choose(measured: readonly Pick<Measurement, "score" | "isDefault">[]): number {
  const scores = measured.map(({ score }) => score ?? Infinity);
  const least = Math.min(...scores);
  if (least === Infinity) return -1;
  const usual = measured.findIndex(({ isDefault }) => isDefault);
  return usual >= 0 && least > GAIN * scores[usual]! ? usual : scores.indexOf(least);
}

/** A product of random rows and a random matrix, the same for each variant, with what it has to come to. */
class RandomProduct {
  readonly #device: Device;
  readonly #n: number;
  readonly #k: number;
  readonly #tensor: CheckpointTensor;
  readonly #x: Float32Array<ArrayBuffer>;
  readonly #wanted: ReferenceProduct;
  readonly #step: GPUBuffer;
  readonly #y: GPUBuffer;
  readonly #epilogue: Epilogue;
  /** Keyed by the properties of a variant that the layout depends on. */
  readonly #matrices = new Map<string, Matrix>();
  readonly #resources: Resource[] = [];

  constructor(device: Device, type: WeightType, { n, k }: Shape) {
    const bytes = randomBlocks(type, n * k);
    this.#device = device;
    this.#n = n;
    this.#k = k;
    this.#tensor = tensorOf(type, bytes, { n, k });
    this.#x = randomFloats(CHECKED_ROWS * k);
    this.#wanted = referenceProduct(dequantize(type, bytes, n * k), this.#x, k);
    this.#step = device.buffer("step", 16, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
    this.#y = device.storage("y", CHECKED_ROWS * n * 4);
    this.#epilogue = { source: epilogueText(n), constants: {}, resources: [this.#y] };
    this.#resources.push(this.#step, this.#y);
  }

  free(): void {
    this.#device.free(this.#resources);
  }

  async createKernels(variant: KernelVariant): Promise<readonly Kernel[]> {
    const context = new KernelContext(this.#device, variant);
    const matrix = await this.#matrixFor(context);
    const x = context.createRows("x", CHECKED_ROWS, this.#k);
    this.#resources.push(x);
    const { queue } = this.#device;
    if ("createView" in x) {
      queue.writeTexture({ texture: x }, this.#x, { bytesPerRow: this.#k * 4 }, [this.#k / 4, CHECKED_ROWS]);
    } else queue.writeBuffer(x, 0, this.#x);
    return await createMatmul(context, matrix, this.#step, x, this.#epilogue);
  }

  async #matrixFor(context: KernelContext): Promise<Matrix> {
    const { tileN, memory } = context.variant;
    const layout = `${tileN} ${memory.textures}`;
    let matrix = this.#matrices.get(layout);
    if (!matrix) {
      const plan = { name: this.#tensor.type, tensors: [this.#tensor], arrangement: "concatenate" } as const;
      this.#matrices.set(layout, matrix = await loadMatrix(context, plan, () => {}));
      this.#resources.push(...matrix.parts.map(({ weights }) => weights));
    }
    return matrix;
  }

  /**
   * Tells what is wrong with products of 1 to CHECKED_ROWS rows: a value, or a row's bits beside other rows; null if
   * nothing is.
   */
  async problemOf(kernels: readonly Kernel[]): Promise<string | null> {
    let all: Uint32Array | undefined;
    for (const rows of [...TUNED_ROWS].reverse()) {
      const bytes = await this.#multiply(kernels, rows);
      const bits = new Uint32Array(bytes);
      all ??= bits;
      if (bits.some((value, i) => value !== all![i])) {
        return `a row of ${rows} has other bits than among ${CHECKED_ROWS}`;
      }
      const got = new Float32Array(bytes);
      const { sums, magnitudes } = this.#wanted;
      const wrong = got.findIndex((value, i) => !(Math.abs(value - sums[i]!) <= TOLERANCE * magnitudes[i]!));
      if (wrong >= 0) return `a product of ${rows} rows is ${got[wrong]}, wanted ${sums[wrong]}`;
    }
    return null;
  }

  async #multiply(kernels: readonly Kernel[], rows: number): Promise<ArrayBuffer> {
    const encoder = this.#device.encoder();
    encoder.clearBuffer(this.#y);
    const pass = encoder.beginComputePass();
    for (const kernel of kernels) encodeKernel(pass, kernel, rows);
    pass.end();
    this.#device.queue.submit([encoder.finish()]);
    const bytes = await this.#device.read(this.#y, rows * this.#n * 4);
    this.#device.check();
    return bytes;
  }
}

/** Writes y as it is, [row][n]. */
const epilogueText = (n: number) => `
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
fn input_scale(row: u32) -> f32 { return 1.0; }
fn epilogue(row: u32, n_quad: u32, sum: vec4f) { if (owner()) { y[row * ${n / 4}u + n_quad] = sum; } }`;

interface ReferenceProduct {
  /** y[row][n]. */
  readonly sums: Float64Array;
  /** The sums of the magnitudes of the terms of each. */
  readonly magnitudes: Float64Array;
}

/** x W^T in double precision, for CHECKED_ROWS rows of x. */
function referenceProduct(weights: Float32Array, x: Float32Array, k: number): ReferenceProduct {
  const n = weights.length / k;
  const [sums, magnitudes] = [new Float64Array(CHECKED_ROWS * n), new Float64Array(CHECKED_ROWS * n)];
  for (let at = 0; at < sums.length; at++) {
    const [row, weightRow] = [Math.floor(at / n), at % n];
    for (let i = 0; i < k; i++) {
      const term = weights[weightRow * k + i]! * x[row * k + i]!;
      sums[at]! += term;
      magnitudes[at]! += Math.abs(term);
    }
  }
  return { sums, magnitudes };
}

function tensorOf(type: WeightType, bytes: Uint8Array<ArrayBuffer>, { n, k }: Shape): CheckpointTensor {
  const source = {
    name: "random",
    size: bytes.length,
    read: (offset: number, length: number) => Promise.resolve(bytes.slice(offset, offset + length)),
    close: () => Promise.resolve(),
  };
  return { name: "random", type, shape: [k, n], source, offset: 0, bytes: bytes.length };
}

/** Where a block keeps 16-bit floats that must be finite and small, in bytes. */
const HALF_OFFSETS: Readonly<Record<WeightType, readonly number[]>> = {
  F32: [],
  F16: [],
  BF16: [],
  Q4_0: [0],
  Q4_1: [0, 2],
  Q5_0: [0],
  Q5_1: [0, 2],
  Q8_0: [0],
  Q2_K: [80, 82],
  Q3_K: [108],
  Q4_K: [0, 2],
  Q5_K: [0, 2],
  Q6_K: [208],
  IQ4_NL: [0],
  IQ4_XS: [0],
  MXFP4: [],
};
/** 2 ** -7 as a 16-bit float. */
const SMALL_HALF = 0x2000;
/** 2 ** -7 as the scale of a block of MXFP4, which is its first byte. */
const SMALL_EXPONENT = 120;
/**
 * The bits of a float's upper 16 that may be random, and those that are set: values from 0.5 to 1, and their negatives.
 */
const FLOATS: Readonly<Partial<Record<WeightType, readonly [random: number, set: number]>>> = {
  F16: [0x83ff, 0x3800],
  BF16: [0x807f, 0x3f00],
  F32: [0x807f, 0x3f00],
};

/** Random blocks of a format, the same each time. */
function randomBlocks(type: WeightType, elements: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(packedBytes(type, elements));
  const halves = new Uint16Array(bytes.buffer);
  const random = randomOf(1);
  for (let i = 0; i < halves.length; i++) halves[i] = Math.floor(random() * 2 ** 16);
  const floats = FLOATS[type];
  if (floats) {
    const stride = PACKINGS[type].bytes / 2;
    for (let i = stride - 1; i < halves.length; i += stride) halves[i] = halves[i]! & floats[0] | floats[1];
  }
  for (let at = 0; at < bytes.length; at += PACKINGS[type].bytes) {
    for (const offset of HALF_OFFSETS[type]) halves[(at + offset) / 2] = SMALL_HALF;
    if (type === "MXFP4") bytes[at] = SMALL_EXPONENT;
  }
  return bytes;
}

function randomFloats(count: number): Float32Array<ArrayBuffer> {
  const random = randomOf(2);
  return Float32Array.from({ length: count }, () => 2 * random() - 1);
}
