/**
 * Times the decode product alone, 1 to 4 rows of the sequence, one thread, each result checked against double precision first:
 *   deno run -A lab/kernels/matmul.ts [Q4_1,Q8_0,...] [workgroup]
 * What was tried and what it gave: README.md.
 */
import process from "node:process";
import { listAdapters, openDevice } from "../../src/gpu/adapters.ts";
import { Device } from "../../src/gpu/device.ts";
import { encodeKernel } from "../../src/kernels/kernel.ts";
import { createRows, createWords, lanesFor, placeWeights, workgroupLanes } from "../../src/kernels/lanes.ts";
import { createMatmul } from "../../src/kernels/matmul.ts";
import { PACKINGS, repack, tileBytes, weightLayout, type WeightType } from "../../src/kernels/weight-layout.ts";
import { dequantize } from "../../src/model/dequantize.ts";
import { write } from "../../tests/kernels/kernel-fixture.ts";
import { uniforms } from "../../tests/model/gguf-builder.ts";
import { quantize } from "../../tests/model/quantize.ts";

const ROWS = 1536;
const COLUMNS = 768;
const ALL_WEIGHTS = 134.5e6; // of SmolLM2-135M: to compare with ms a token
const DISPATCHES = 40;
const ROUNDS = 12;

const types = (process.argv[2] ?? Object.keys(PACKINGS).join(",")).split(",") as WeightType[];
const [adapter] = await listAdapters();
const device = new Device(await openDevice({ adapter: adapter!, label: "lab", threads: 1 }));
const lanes = process.argv[3] === "workgroup" ? workgroupLanes() : lanesFor(device);
const finish = `
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
fn input_scale(column: u32) -> f32 { return 1.0; }
fn finish(column: u32, row_group: u32, sum: vec4f) { if (owner()) { y[column * ${ROWS / 4}u + row_group] = sum; } }`;

const runs = [];
for (const type of types) {
  const random = uniforms(1);
  const values = (count: number) => Float32Array.from({ length: count }, () => random() - 0.5);
  const bytes = quantize(type, values(ROWS * COLUMNS));
  const layout = weightLayout(type, COLUMNS, lanes.rowLanes);
  const tiles = ROWS / 4 / lanes.rowLanes;
  const { quants, scales, supers } = repack(layout, bytes, ROWS);
  const words = new Uint32Array(tileBytes(layout, tiles) / 4);
  words.set(quants);
  words.set(scales, quants.length);
  words.set(supers, quants.length + scales.length);
  const buffer = createWords(device, lanes, type, words.byteLength);
  device.queue.writeBuffer(buffer, 0, words);
  const xs = values(4 * COLUMNS);
  const x = createRows(device, lanes, "x", 4, COLUMNS);
  write(device, x, xs);
  const y = device.storage("y", 4 * ROWS * 4);
  const step = device.buffer("step", 16, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
  const matrix = {
    name: type,
    rows: ROWS,
    columns: COLUMNS,
    layout,
    parts: [{
      weights: placeWeights(device, lanes, buffer),
      firstRow: 0,
      rows: ROWS,
      tiles,
      firstTile: 0,
    }],
  };
  const [kernel] = await createMatmul(device, lanes, matrix, step, x, { source: finish, constants: {}, buffers: [y] });
  const weights = dequantize(type, bytes, ROWS * COLUMNS);
  for (const columns of [1, 2, 3, 4]) {
    const run = async (dispatches: number) => {
      const encoder = device.encoder();
      const pass = encoder.beginComputePass();
      for (let i = 0; i < dispatches; i++) encodeKernel(pass, kernel!, columns);
      pass.end();
      device.queue.submit([encoder.finish()]);
      await device.idle();
    };
    await run(1);
    const got = new Float32Array(await device.read(y));
    for (let column = 0; column < columns; column++) {
      for (let row = 0; row < ROWS; row++) {
        let want = 0;
        for (let k = 0; k < COLUMNS; k++) want += weights[row * COLUMNS + k]! * xs[column * COLUMNS + k]!;
        const value = got[column * ROWS + row]!;
        if (!(Math.abs(value - want) < 1e-3 + 1e-4 * Math.abs(want))) {
          throw new Error(`${type}, ${columns} columns: row ${row} of column ${column} is ${value}, wanted ${want}`);
        }
      }
    }
    runs.push({ type, columns, run, times: [] as number[] });
  }
}
for (let round = 0; round < ROUNDS; round++) {
  for (const { run, times } of runs) {
    const start = performance.now();
    await run(DISPATCHES);
    times.push((performance.now() - start) / DISPATCHES);
  }
}
console.log(
  `${adapter!.name}, ${adapter!.driver}; ${lanes.kind} lanes; ${ROWS} x ${COLUMNS}, scaled to ${
    ALL_WEIGHTS / 1e6
  } M weights`,
);
for (const { type, columns, times } of runs) {
  const scaled = times.toSorted((a, b) => a - b).map((ms) => (ms * ALL_WEIGHTS / (ROWS * COLUMNS)).toFixed(1));
  console.log(`${type.padEnd(5)} ${columns} columns: median ${scaled[ROUNDS >> 1]} ms, min ${scaled[0]}`);
}
device.close();
