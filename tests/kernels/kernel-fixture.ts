import * as assert from "uvu/assert";
import type { Device, Resource } from "../../src/gpu/device.ts";
import type { CacheType } from "../../src/kernels/attention/attention.ts";
import { encodeKernel, type Kernel } from "../../src/kernels/kernel.ts";
import { defaultVariant, type KernelVariant, rowsVariant, splitVariant } from "../../src/kernels/kernel-variant.ts";
import { PACKINGS, type WeightType } from "../../src/kernels/formats/weight-layout.ts";
import { dequantize, halfToFloat } from "../../src/checkpoint/dequantize.ts";
import type { CheckpointTensor } from "../../src/checkpoint/checkpoint.ts";
import { randomOf } from "../../src/util/random.ts";
import { quantize } from "../llama/quantize.ts";
import type { TestAdapter } from "../with-device.ts";

export interface LanesCase {
  readonly title: string;
  readonly adapter: TestAdapter;
  readonly make: (device: Device) => KernelVariant;
}

/** Row lanes where there are subgroups: of 8 in textures on llvmpipe, of 4 in buffers on SwiftShader. */
export const LANES_CASES: readonly LanesCase[] = [
  { title: "row lanes", adapter: "default", make: defaultVariant },
  { title: "row lanes", adapter: "swiftshader", make: defaultVariant },
  { title: "four row lanes in textures", adapter: "swiftshader", make: () => rowsVariant(4) },
  { title: "split k", adapter: "default", make: () => splitVariant() },
  { title: "split k", adapter: "swiftshader", make: () => splitVariant() },
];

export const WEIGHT_TYPES = Object.keys(PACKINGS) as WeightType[];

/** `length` values in [low, high), the same for the same seed. */
export function randoms(seed: number, length: number, low = -1, high = 1): Float32Array<ArrayBuffer> {
  const uniform = randomOf(seed);
  return Float32Array.from({ length }, () => low + (high - low) * uniform());
}

/**
 * The values of a matrix. Every second row's are so small that scales become subnormal 16-bit floats, as those of real
 * models in Q6_K are.
 */
export function randomMatrix(seed: number, rows: number, columns: number): Float32Array<ArrayBuffer> {
  return randoms(seed, rows * columns).map((value, i) => Math.floor(i / columns) % 2 ? value / 500 : value);
}

/** A tensor [rows][columns] in memory; `values` are what its blocks stand for. */
export interface MemoryTensor extends CheckpointTensor {
  readonly values: Float32Array;
}

export function memoryTensor(type: WeightType, columns: number, values: Float32Array): MemoryTensor {
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
  const shape = [columns, values.length / columns];
  const exact = dequantize(type, data, values.length);
  return { name: "random", type, shape, source, offset: 0, bytes: data.length, values: exact };
}

/** y[column][row] in double precision: rows of `x` times rows of `weights`. */
export function product(weights: Float32Array, x: ArrayLike<number>, columns: number): Float64Array {
  const [rows, count] = [weights.length / columns, x.length / columns];
  const y = new Float64Array(count * rows);
  for (let c = 0; c < count; c++) {
    for (let r = 0; r < rows; r++) {
      let sum = 0;
      for (let k = 0; k < columns; k++) sum += weights[r * columns + k]! * x[c * columns + k]!;
      y[c * rows + r] = sum;
    }
  }
  return y;
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

  /** Runs the kernels over `rows` rows, the first at `position`; those from `fork` on are in the strip. */
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

/** Writes from the beginning: a buffer, or a texture's texels row by row, the last row filled up with zeros. */
export function write(device: Device, resource: Resource, data: Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>) {
  if ("mapState" in resource) return device.queue.writeBuffer(resource, 0, data);
  const bytesPerRow = 16 * resource.width;
  const rows = Math.ceil(data.byteLength / bytesPerRow);
  const whole = new Uint8Array(rows * bytesPerRow);
  whole.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  device.queue.writeTexture({ texture: resource }, whole, { bytesPerRow }, [resource.width, rows]);
}

/** The first `size` bytes of what `write` writes. */
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

/** What the bytes of a key-value cache stand for. */
export function cacheFloats(cache: CacheType, bytes: ArrayBuffer): Float32Array {
  if (cache === "f32") return new Float32Array(bytes);
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
