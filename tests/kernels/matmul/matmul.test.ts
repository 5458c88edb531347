import { test } from "uvu";
import * as assert from "uvu/assert";
import type { KernelContext } from "../../../src/kernels/kernel-context.ts";
import type { KernelVariant } from "../../../src/kernels/kernel-variant.ts";
import { createMatmul, type Matrix } from "../../../src/kernels/matmul/matmul.ts";
import { PACKINGS, tileBytes, weightLayout, type WeightType } from "../../../src/kernels/formats/weight-layout.ts";
import { type Arrangement, loadMatrix } from "../../../src/llama/weights.ts";
import { MAX_ROWS } from "../../../src/spec/lanes/lane.ts";
import { withDevice } from "../../with-device.ts";
import {
  assertClose,
  assertSameBits,
  limitBindings,
  type MemoryTensor,
  memoryTensor,
  product,
  randomMatrix,
  randoms,
  readFloats,
  StepBuffer,
  VARIANT_CASES,
  write,
} from "../kernel-fixture.ts";

/** Writes y as it is, [row][STRIDE]. */
const EPILOGUE = `
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
fn input_scale(row: u32) -> f32 { return 1.0; }
fn epilogue(row: u32, n_quad: u32, v: vec4f) {
  if (owner() && row < step.rows) { y[row * (STRIDE / 4u) + N_OFFSET / 4u + n_quad] = v; }
}`;

/** The product of `matrix` and up to MAX_ROWS rows of x. */
async function createProduct(context: KernelContext, matrix: Matrix) {
  const { device, variant: { tileN } } = context;
  const step = new StepBuffer(device);
  const x = context.createRows("x", MAX_ROWS, matrix.k);
  const stride = Math.ceil(matrix.n / tileN) * tileN;
  const y = device.storage("y", MAX_ROWS * stride * 4);
  const unwritten = new Float32Array(MAX_ROWS * stride).fill(777);
  const epilogue = { source: EPILOGUE, constants: { STRIDE: stride }, resources: [y] };
  const kernels = await createMatmul(context, matrix, step.buffer, x, epilogue);
  return async (values: Float32Array<ArrayBuffer>): Promise<Float32Array> => {
    const rows = values.length / matrix.k;
    write(device, x, values);
    device.queue.writeBuffer(y, 0, unwritten);
    step.run(kernels, rows);
    const padded = await readFloats(device, y, rows * stride);
    const result = new Float32Array(rows * matrix.n);
    for (let row = 0; row < rows; row++) {
      result.set(padded.subarray(row * stride, row * stride + matrix.n), row * matrix.n);
    }
    return result;
  };
}

function load(
  context: KernelContext,
  tensors: readonly MemoryTensor[],
  arrangement: Arrangement = "concatenate",
  biases?: readonly (MemoryTensor | null)[],
) {
  return loadMatrix(context, { name: "random", tensors, arrangement, biases }, () => {});
}

/** Weight rows that fill no tile and no quad. */
const N = 45;

/** An odd number of units (of super-blocks), and more units than there are invocations that split K. */
function oddK(type: WeightType, { kind }: KernelVariant): number {
  const isSuper = PACKINGS[type].elements > 32;
  return kind === "subgroup" ? isSuper ? 768 : 96 : isSuper ? 2304 : 2080;
}

for (const { title, adapter, types, contextOf } of VARIANT_CASES) {
  for (const type of types) {
    await withDevice(
      `${type}, ${title}: right products, and the same bits for a row alone as for 16`,
      async (device) => {
        const context = contextOf(device);
        const k = oddK(type, context.variant);
        const tensor = memoryTensor(type, k, randomMatrix(1, N, k));
        const multiply = await createProduct(context, await load(context, [tensor]));
        const x = randoms(2, MAX_ROWS * k);
        const all = await multiply(x);
        assertClose("16 rows", all, product(tensor.values, x, k), 2e-5, 2e-5);
        const alone = await Promise.all(
          Array.from({ length: MAX_ROWS }, (_, i) => multiply(x.slice(i * k, (i + 1) * k))),
        );
        for (let rows = 1; rows <= MAX_ROWS; rows++) {
          const together = await multiply(x.slice(0, rows * k));
          for (let i = 0; i < rows; i++) {
            assertSameBits(`row ${i} of ${rows}`, together.slice(i * N, (i + 1) * N), alone[i]!);
          }
        }
      },
      { adapter },
    );
  }

  await withDevice(
    `${title}: matrices of several tensors, with biases, in parts that the device binds`,
    async (device) => {
      const context = contextOf(device);
      const { tileN } = context.variant;
      const k = 96;
      const tensors = [0, 1, 2].map((seed) => memoryTensor("Q4_1", k, randoms(seed, N * k)));
      const rowOf = (tensor: MemoryTensor, i: number) => tensor.values.subarray(i * k, (i + 1) * k);
      const alternating = Array.from({ length: 2 * N }, (_, i) => rowOf(tensors[i % 2]!, i >> 1));
      const concatenated = Array.from({ length: 3 * N }, (_, i) => rowOf(tensors[Math.floor(i / N)]!, i % N));
      const x = randoms(9, 2 * k);
      const biasOf = (seed: number) => memoryTensor("F32", N, randoms(seed, N, -5, 5));
      const biases = [biasOf(3), null, biasOf(4)];
      const biasAt = (tensor: number, i: number) => biases[tensor]?.values[i] ?? 0;
      for (
        const [arrangement, plan, weightRows, biasOfRow] of [
          ["concatenate", tensors, concatenated, (n: number) => biasAt(Math.floor(n / N), n % N)],
          ["alternate", tensors.slice(0, 2), alternating, (n: number) => biasAt(n % 2, n >> 1)],
        ] as const
      ) {
        const tiles = Math.ceil(weightRows.length / tileN);
        // Room for most of the tiles and a bit: two parts, of which the second begins within a tensor.
        const most = Math.ceil(tiles * 0.6);
        const restore = limitBindings(device, (most + 0.5) * tileBytes(weightLayout("Q4_1", k, tileN)));
        const matrix = await load(context, plan, arrangement, biases.slice(0, plan.length));
        restore();
        assert.equal(
          matrix.parts.map(({ firstN, n, firstTile, tiles }) => [firstN, n, firstTile, tiles]),
          [[0, most * tileN, 0, most], [most * tileN, weightRows.length - most * tileN, most, tiles - most]],
        );
        const multiply = await createProduct(context, matrix);
        const values = Float32Array.from(weightRows.flatMap((row) => [...row]));
        const wanted = product(values, x, k).map((value, i) => value + biasOfRow(i % weightRows.length));
        assertClose(arrangement, await multiply(x), wanted, 2e-5, 2e-5);
      }
    },
    { adapter },
  );
}

test.run();
