import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Device } from "../../src/gpu/device.ts";
import { createRows, type KernelVariant } from "../../src/kernels/kernel-variant.ts";
import { createMatmul, type Matrix } from "../../src/kernels/matmul/matmul.ts";
import { PACKINGS, tileBytes, weightLayout, type WeightType } from "../../src/kernels/formats/weight-layout.ts";
import { type Arrangement, loadMatrix } from "../../src/llama/weights.ts";
import { withDevice } from "../with-device.ts";
import {
  assertClose,
  assertSameBits,
  LANES_CASES,
  limitBindings,
  type MemoryTensor,
  memoryTensor,
  product,
  randomMatrix,
  randoms,
  readFloats,
  StepBuffer,
  WEIGHT_TYPES,
  write,
} from "./kernel-fixture.ts";

const MAX_ROWS = 16;

/** Writes y as it is, [column][ROW_STRIDE]. */
const EPILOGUE = `
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
fn input_scale(column: u32) -> f32 { return 1.0; }
fn epilogue(column: u32, row_group: u32, v: vec4f) {
  if (owner() && column < step.rows) { y[column * (ROW_STRIDE / 4u) + ROW_OFFSET / 4u + row_group] = v; }
}`;

/** The product of `matrix` and up to MAX_ROWS rows of x. */
async function createProduct(device: Device, variant: KernelVariant, matrix: Matrix) {
  const step = new StepBuffer(device);
  const x = createRows(device, variant, "x", MAX_ROWS, matrix.columns);
  const tileRows = 4 * variant.rowLanes;
  const stride = Math.ceil(matrix.rows / tileRows) * tileRows;
  const y = device.storage("y", MAX_ROWS * stride * 4);
  const unwritten = new Float32Array(MAX_ROWS * stride).fill(777);
  const epilogue = { source: EPILOGUE, constants: { ROW_STRIDE: stride }, buffers: [y] };
  const kernels = await createMatmul(device, variant, matrix, step.buffer, x, epilogue);
  return async (values: Float32Array<ArrayBuffer>): Promise<Float32Array> => {
    const rows = values.length / matrix.columns;
    write(device, x, values);
    device.queue.writeBuffer(y, 0, unwritten);
    step.run(kernels, rows);
    const padded = await readFloats(device, y, rows * stride);
    const result = new Float32Array(rows * matrix.rows);
    for (let c = 0; c < rows; c++) {
      result.set(padded.subarray(c * stride, c * stride + matrix.rows), c * matrix.rows);
    }
    return result;
  };
}

function load(
  device: Device,
  variant: KernelVariant,
  tensors: readonly MemoryTensor[],
  arrangement: Arrangement = "concatenate",
) {
  return loadMatrix(device, variant, { name: "random", tensors, arrangement }, () => {});
}

/** Rows that fill no tile and no group of four. */
const ROWS = 45;

/** k is an odd number of units (of super-blocks), and more units than there are lanes that split k. */
function oddColumns(type: WeightType, variant: KernelVariant): number {
  const isSuper = PACKINGS[type].elements > 32;
  return variant.rowLanes > 1 ? isSuper ? 768 : 96 : isSuper ? 2304 : 2080;
}

for (const { title, adapter, make } of LANES_CASES) {
  for (const type of WEIGHT_TYPES) {
    await withDevice(
      `${type}, ${title}: right products, and the same bits for a row alone as for 16`,
      async (device) => {
        const variant = make(device);
        const columns = oddColumns(type, variant);
        const tensor = memoryTensor(type, columns, randomMatrix(1, ROWS, columns));
        const multiply = await createProduct(device, variant, await load(device, variant, [tensor]));
        const x = randoms(2, MAX_ROWS * columns);
        const all = await multiply(x);
        assertClose("16 rows", all, product(tensor.values, x, columns), 2e-5, 2e-5);
        const alone = await Promise.all(
          Array.from({ length: MAX_ROWS }, (_, i) => multiply(x.slice(i * columns, (i + 1) * columns))),
        );
        for (let n = 1; n <= MAX_ROWS; n++) {
          const together = await multiply(x.slice(0, n * columns));
          for (let i = 0; i < n; i++) {
            assertSameBits(`row ${i} of ${n}`, together.slice(i * ROWS, (i + 1) * ROWS), alone[i]!);
          }
        }
      },
      { adapter },
    );
  }

  await withDevice(`${title}: matrices of several tensors, in parts as large as the device binds`, async (device) => {
    const variant = make(device);
    const columns = 96;
    const tensors = [45, 45, 45].map((rows, i) => memoryTensor("Q4_1", columns, randoms(i, rows * columns)));
    const rowOf = (tensor: MemoryTensor, row: number) => tensor.values.subarray(row * columns, (row + 1) * columns);
    const alternating = Array.from({ length: 90 }, (_, row) => rowOf(tensors[row % 2]!, row >> 1));
    const concatenated = Array.from({ length: 135 }, (_, row) => rowOf(tensors[Math.floor(row / 45)]!, row % 45));
    const x = randoms(9, 2 * columns);
    for (
      const [arrangement, plan, rows] of [
        ["concatenate", tensors, concatenated],
        ["alternate", tensors.slice(0, 2), alternating],
      ] as const
    ) {
      const tileRows = 4 * variant.rowLanes;
      const tiles = Math.ceil(rows.length / tileRows);
      // Room for most of the tiles and a bit: two parts, of which the second begins within a tensor.
      const most = Math.ceil(tiles * 0.6);
      const restore = limitBindings(device, (most + 0.5) * tileBytes(weightLayout("Q4_1", columns, variant.rowLanes)));
      const matrix = await load(device, variant, plan, arrangement);
      restore();
      assert.equal(
        matrix.parts.map(({ firstRow, rows, firstTile, tiles }) => [firstRow, rows, firstTile, tiles]),
        [[0, most * tileRows, 0, most], [most * tileRows, rows.length - most * tileRows, most, tiles - most]],
      );
      const multiply = await createProduct(device, variant, matrix);
      const values = Float32Array.from(rows.flatMap((row) => [...row]));
      assertClose(arrangement, await multiply(x), product(values, x, columns), 2e-5, 2e-5);
    }
  }, { adapter });
}

test.run();
