import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Device } from "../../src/gpu/device.ts";
import type { Lanes } from "../../src/kernels/lanes.ts";
import { createMatmul, type Matrix } from "../../src/kernels/matmul.ts";
import { rowBytes, tileBytes, weightLayout, type WeightType } from "../../src/kernels/weight-layout.ts";
import { type Arrangement, loadMatrix } from "../../src/model/weights.ts";
import { withDevice } from "../with-device.ts";
import {
  assertClose,
  assertSameBits,
  LANES_CASES,
  limitBindings,
  memoryTensor,
  type MemoryTensor,
  product,
  randoms,
  readFloats,
  StepBuffer,
  WEIGHT_TYPES,
} from "./kernel-fixture.ts";

const MAX_ROWS = 16;

/** Writes y as it is, [column][ROW_STRIDE]. */
const FINISH = `
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
fn input_scale(column: u32) -> f32 { return 1.0; }
fn finish(column: u32, row_group: u32, v: vec4f) {
  if (owner() && column < step.rows) { y[column * (ROW_STRIDE / 4u) + ROW_OFFSET / 4u + row_group] = v; }
}`;

/** The product of `matrix` and up to MAX_ROWS rows of x. */
async function createProduct(device: Device, lanes: Lanes, matrix: Matrix) {
  const step = new StepBuffer(device);
  const x = device.storage("x", MAX_ROWS * matrix.columns * 4);
  const tileRows = 4 * lanes.rowLanes;
  const stride = Math.ceil(matrix.rows / tileRows) * tileRows;
  const y = device.storage("y", MAX_ROWS * stride * 4);
  const finish = { source: FINISH, constants: { ROW_STRIDE: stride }, buffers: [y] };
  const kernels = await createMatmul(device, lanes, matrix, step.buffer, x, finish);
  return async (values: Float32Array<ArrayBuffer>): Promise<Float32Array> => {
    const rows = values.length / matrix.columns;
    device.queue.writeBuffer(x, 0, values);
    step.run(kernels, rows);
    const padded = await readFloats(device, y, rows * stride);
    const result = new Float32Array(rows * matrix.rows);
    for (let c = 0; c < rows; c++) {
      result.set(padded.subarray(c * stride, c * stride + matrix.rows), c * matrix.rows);
    }
    return result;
  };
}

function load(device: Device, lanes: Lanes, tensors: readonly MemoryTensor[], arrangement: Arrangement = "concatenate") {
  return loadMatrix(device, lanes, { name: "random", tensors, arrangement }, () => {});
}

/** Rows that fill no tile and no group of four, and, where a block allows it, an odd number of units. */
const SHAPES: readonly (readonly [rows: number, columns: number])[] = [[45, 96], [70, 256], [45, 768]];
const fits = (type: WeightType, columns: number) => Number.isInteger(rowBytes(type, columns));

for (const { title, adapter, make } of LANES_CASES) {
  for (const type of WEIGHT_TYPES) {
    await withDevice(`${type}, ${title}: a product is that of the values in the file`, async (device) => {
      const lanes = make(device);
      for (const [rows, columns] of SHAPES) {
        if (!fits(type, columns)) continue;
        const tensor = memoryTensor(type, columns, randoms(rows, rows * columns));
        const multiply = await createProduct(device, lanes, await load(device, lanes, [tensor]));
        const x = randoms(columns, 3 * columns);
        // Sums of `columns` products below 1 in float32.
        assertClose(`${rows} x ${columns}`, await multiply(x), product(tensor.values, x, columns), 2e-5, 1e-5);
      }
    }, { adapter });

    await withDevice(`${type}, ${title}: a row has the same bits alone and among up to 15 others`, async (device) => {
      const lanes = make(device);
      const [rows, columns] = [36, fits(type, 96) ? 96 : 512];
      const tensor = memoryTensor(type, columns, randoms(3, rows * columns));
      const multiply = await createProduct(device, lanes, await load(device, lanes, [tensor]));
      const x = randoms(4, MAX_ROWS * columns, -3, 3);
      const alone = new Float32Array(MAX_ROWS * rows);
      for (let i = 0; i < MAX_ROWS; i++) alone.set(await multiply(x.slice(i * columns, (i + 1) * columns)), i * rows);
      assert.is.not(alone[0], alone[rows]);
      for (let n = 1; n <= MAX_ROWS; n++) {
        assertSameBits(`${n} rows`, await multiply(x.slice(0, n * columns)), alone.subarray(0, n * rows));
      }
    }, { adapter });
  }

  await withDevice(`${title}: matrices of several tensors, in parts as large as the device binds`, async (device) => {
    const lanes = make(device);
    const columns = 96;
    const tensors = [45, 45, 45].map((rows, i) => memoryTensor("Q4_1", columns, randoms(i, rows * columns)));
    const [a, b] = tensors.map(({ values }) => values) as [Float32Array, Float32Array];
    const alternating = Float32Array.from(
      { length: 2 * a.length },
      (_, i) => (Math.floor(i / columns) % 2 ? b : a)[Math.floor(i / columns / 2) * columns + i % columns]!,
    );
    const concatenated = Float32Array.from(tensors.flatMap(({ values }) => [...values]));
    const tile = tileBytes(weightLayout("Q4_1", columns, lanes.rowLanes));
    const x = randoms(9, 2 * columns);
    // Up to two tiles a part; then all in one.
    for (const limit of [tile, 2.5 * tile, device.limits.maxStorageBufferBindingSize]) {
      limitBindings(device, limit);
      for (
        const [arrangement, plan, values] of [
          ["concatenate", tensors, concatenated],
          ["alternate", tensors.slice(0, 2), alternating],
        ] as const
      ) {
        const matrix = await load(device, lanes, plan, arrangement);
        const tiles = Math.ceil(matrix.rows / (4 * lanes.rowLanes));
        assert.is(matrix.parts.length, limit === tile ? tiles : limit < 3 * tile ? Math.ceil(tiles / 2) : 1);
        assert.is(matrix.parts.reduce((sum, part) => sum + part.rows, 0), values.length / columns);
        // The product's own buffers are not what is to be cut.
        limitBindings(device, 2 ** 27);
        const multiply = await createProduct(device, lanes, matrix);
        assertClose(`${arrangement}, ${limit}`, await multiply(x), product(values, x, columns), 2e-5, 1e-5);
        limitBindings(device, limit);
      }
    }
  }, { adapter });
}

test.run();
