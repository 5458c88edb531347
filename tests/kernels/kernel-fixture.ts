import * as assert from "uvu/assert";
import type { Device, Resource } from "../../src/gpu/device.ts";
import type { KvCacheType } from "../../src/kernels/attention/attention.ts";
import { encodeKernel, type Kernel } from "../../src/kernels/kernel.ts";
import { KernelContext } from "../../src/kernels/kernel-context.ts";
import { rowsVariant, splitVariant } from "../../src/kernels/kernel-variant.ts";
import { PACKINGS, type WeightType } from "../../src/kernels/formats/weight-layout.ts";
import { dequantize, halfToFloat } from "../../src/checkpoint/dequantize.ts";
import type { CheckpointTensor } from "../../src/checkpoint/checkpoint.ts";
import { randomOf } from "../../src/util/random.ts";
import { quantize } from "../llama/quantize.ts";
import type { TestAdapter } from "../with-device.ts";

export interface VariantCase {
  readonly title: string;
  readonly adapter: TestAdapter;
  /** The formats that the variant's products are tested in. */
  readonly types: readonly WeightType[];
  readonly contextOf: (device: Device) => KernelContext;
}

export const WEIGHT_TYPES = Object.keys(PACKINGS) as WeightType[];
/** A format with rebiased floats, one with scales of scales and words in two places, one with a codebook. */
const FEW_TYPES: readonly WeightType[] = ["F16", "Q6_K", "IQ4_NL"];

const byDefault = (device: Device) => new KernelContext(device);
const rows4 = (device: Device) => new KernelContext(device, rowsVariant(4));
const split64 = (device: Device) => new KernelContext(device, splitVariant());

/**
 * The kinds of variants. The default one splits N where there are subgroups: among 8 invocations in textures on
 * llvmpipe, among 4 in buffers on SwiftShader. split-64 is a GPU's default; llvmpipe is slow to compile its barriers.
 */
export const VARIANT_CASES: readonly VariantCase[] = [
  { title: "default variant", adapter: "default", types: WEIGHT_TYPES, contextOf: byDefault },
  { title: "default variant", adapter: "swiftshader", types: WEIGHT_TYPES, contextOf: byDefault },
  { title: "split-64", adapter: "swiftshader", types: WEIGHT_TYPES, contextOf: split64 },
  { title: "split-64", adapter: "default", types: FEW_TYPES, contextOf: split64 },
  { title: "rows-4 in textures", adapter: "swiftshader", types: FEW_TYPES, contextOf: rows4 },
];

/** `length` values in [low, high), the same for the same seed. */
export function randoms(seed: number, length: number, low = -1, high = 1): Float32Array<ArrayBuffer> {
  const uniform = randomOf(seed);
  return Float32Array.from({ length }, () => low + (high - low) * uniform());
}

/**
 * The values of a matrix [n][k]. Those of every second weight row are so small that scales become subnormal 16-bit
 * floats, as those of real models in Q6_K are.
 */
export function randomMatrix(seed: number, n: number, k: number): Float32Array<ArrayBuffer> {
  return randoms(seed, n * k).map((value, i) => Math.floor(i / k) % 2 ? value / 500 : value);
}

/** A tensor in memory. */
export interface MemoryTensor extends CheckpointTensor {
  /** The values that its blocks stand for, [n][k]. */
  readonly values: Float32Array;
}

export function memoryTensor(type: WeightType, k: number, values: Float32Array): MemoryTensor {
  const data = quantize(type, values);
  const source = {
    name: "memory",
    size: data.length,
    read: (offset: number, length: number) => {
      assert.ok(offset + length <= data.length, `read ${length} bytes at ${offset} of ${data.length}`);
      return Promise.resolve(data.slice(offset, offset + length));
    },
    close: () => Promise.resolve(),
  };
  const shape = [k, values.length / k];
  const exact = dequantize(type, data, values.length);
  return { name: "random", type, shape, source, offset: 0, bytes: data.length, values: exact };
}

/** x W^T in double precision, [rows][n]: `x` is [rows][k], `weights` W is [n][k]. */
export function product(weights: Float32Array, x: ArrayLike<number>, k: number): Float64Array {
  const [rows, n] = [x.length / k, weights.length / k];
  return Float64Array.from({ length: rows * n }, (_, at) => {
    const [row, weightRow] = [Math.floor(at / n), at % n];
    let sum = 0;
    for (let i = 0; i < k; i++) sum += weights[weightRow * k + i]! * x[row * k + i]!;
    return sum;
  });
}

/** Each value within `absolute` + `relative` * |wanted|; a mismatch tells where, what and what was wanted. */
export function assertClose(
  title: string,
  got: ArrayLike<number>,
  wanted: ArrayLike<number>,
  absolute: number,
  relative: number,
): void {
  assert.is(got.length, wanted.length, `${title}: length`);
  for (let i = 0; i < wanted.length; i++) {
    const [a, b] = [got[i]!, wanted[i]!];
    if (!(Math.abs(a - b) <= absolute + relative * Math.abs(b))) {
      throw new Error(`${title}: at ${i} got ${a}, wanted ${b}`);
    }
  }
}

/** The same bits: 0 is not -0, and a NaN is equal to itself. */
export function assertSameBits(title: string, got: Float32Array, wanted: Float32Array): void {
  assert.is(got.length, wanted.length, `${title}: length`);
  const bits = (floats: Float32Array) => new Uint32Array(floats.buffer, floats.byteOffset, floats.length);
  const [a, b] = [bits(got), bits(wanted)];
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i]) throw new Error(`${title}: at ${i} got ${got[i]}, wanted ${wanted[i]}, bit for bit`);
  }
}

/** The uniform of step.wgsl. */
export class StepBuffer {
  readonly buffer: GPUBuffer;
  readonly #device: Device;

  constructor(device: Device) {
    this.#device = device;
    this.buffer = device.buffer("step", 16, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
  }

  /** Runs the kernels over `rows` rows, the first at `position`; those from `fork` on are in the branch slots. */
  run(kernels: readonly Kernel[], rows: number, position = 0, chosenAt = 0, fork = 2 ** 32 - 1): void {
    const { queue } = this.#device;
    queue.writeBuffer(this.buffer, 0, new Uint32Array([position, rows, chosenAt, fork]));
    const encoder = this.#device.encoder();
    const pass = encoder.beginComputePass();
    for (const kernel of kernels) encodeKernel(pass, kernel, rows);
    pass.end();
    queue.submit([encoder.finish()]);
  }
}

/** Writes to the beginning of a buffer, or of a texture: by texel rows, of which the last is filled up with zeros. */
export function write(device: Device, resource: Resource, data: Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>) {
  if ("mapState" in resource) return device.queue.writeBuffer(resource, 0, data);
  const bytesPerRow = 16 * resource.width;
  const rows = Math.ceil(data.byteLength / bytesPerRow);
  const whole = new Uint8Array(rows * bytesPerRow);
  whole.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  device.queue.writeTexture({ texture: resource }, whole, { bytesPerRow }, [resource.width, rows]);
}

/** The first `size` bytes, in the order in which `write` writes them. */
export async function read(device: Device, resource: Resource, size: number): Promise<ArrayBuffer> {
  if ("mapState" in resource) return await device.read(resource, size);
  const { width, height } = resource;
  // Copies go in rows of a multiple of 256 bytes.
  const bytesPerRow = Math.ceil(16 * width / 256) * 256;
  const buffer = device.storage("read", bytesPerRow * height);
  const encoder = device.encoder();
  encoder.copyTextureToBuffer({ texture: resource }, { buffer, bytesPerRow }, [width, height]);
  device.queue.submit([encoder.finish()]);
  const padded = new Uint8Array(await device.read(buffer));
  const bytes = new Uint8Array(16 * width * height);
  for (let row = 0; row < height; row++) {
    bytes.set(padded.subarray(row * bytesPerRow, row * bytesPerRow + 16 * width), row * 16 * width);
  }
  device.free([buffer]);
  return bytes.slice(0, size).buffer;
}

export async function readFloats(device: Device, resource: Resource, length: number): Promise<Float32Array> {
  return new Float32Array(await read(device, resource, length * 4));
}

/** The values that the bytes of a KV cache stand for. */
export function cacheFloats(kvCache: KvCacheType, bytes: ArrayBuffer): Float32Array {
  if (kvCache === "f32") return new Float32Array(bytes);
  return Float32Array.from(new Uint16Array(bytes), halfToFloat);
}

/** Makes the device seem to have lower limits, until the function that it returns is called. */
export function lowerLimits(device: Device, lower: Readonly<Partial<Record<keyof GPUSupportedLimits, number>>>) {
  const { limits } = device;
  const get = (_: unknown, name: keyof GPUSupportedLimits) => lower[name] ?? limits[name];
  Object.defineProperty(device, "limits", { value: new Proxy({}, { get }), configurable: true });
  return () => Object.defineProperty(device, "limits", { value: limits });
}

export function limitBindings(device: Device, maxStorageBufferBindingSize: number) {
  return lowerLimits(device, { maxStorageBufferBindingSize });
}
