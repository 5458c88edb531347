import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Device, Resource } from "../../src/gpu/device.ts";
import { createArgmax, createBests, tileConstants } from "../../src/kernels/sampling/argmax.ts";
import { CACHE_SOURCES, type CacheType } from "../../src/kernels/attention/attention.ts";
import finishLogits from "../../src/kernels/matmul/epilogue-logits.wgsl" with { type: "text" };
import finishQkv from "../../src/kernels/matmul/epilogue-qkv.wgsl" with { type: "text" };
import finishResidual from "../../src/kernels/matmul/epilogue-residual.wgsl" with { type: "text" };
import finishSwiglu from "../../src/kernels/matmul/epilogue-swiglu.wgsl" with { type: "text" };
import { createCache, createRows, type KernelVariant } from "../../src/kernels/kernel-variant.ts";
import { createMatmul, type Matrix } from "../../src/kernels/matmul/matmul.ts";
import rms from "../../src/kernels/matmul/rms.wgsl" with { type: "text" };
import { tileBytes } from "../../src/kernels/formats/weight-layout.ts";
import { ropeTable } from "../../src/llama/rope-table.ts";
import { loadMatrix } from "../../src/llama/weights.ts";
import { withDevice } from "../with-device.ts";
import {
  assertClose,
  cacheFloats,
  LANES_CASES,
  limitBindings,
  type MemoryTensor,
  memoryTensor,
  product,
  randomMatrix,
  randoms,
  read,
  readFloats,
  StepBuffer,
  write,
} from "./kernel-fixture.ts";

const HIDDEN = 96;
const RMS_EPSILON = 1e-5;
/** Two workgroups of three: the last one has a row too many, which must write nothing. */
const ROWS = 5;
const ROOM = 16;
/** What a buffer holds where nothing may be written. */
const UNTOUCHED = 777;

const untouched = (device: Device, length: number) => device.upload("out", new Float32Array(length).fill(UNTOUCHED));

/** `wanted` and behind it nothing but what was there before. */
function assertWritten(title: string, got: Float32Array, wanted: ArrayLike<number>, absolute = 2e-5, relative = 2e-5) {
  assertClose(title, got.subarray(0, wanted.length), wanted, absolute, relative);
  const end = got.subarray(wanted.length);
  assert.ok(end.length > 0 && end.every((value) => value === UNTOUCHED), `${title}: written past the rows`);
}

/** A residual stream as its writer leaves it (weighted, with sums of squares), and what RMSNorm makes of it. */
function normInput(device: Device, variant: KernelVariant, residual: Float32Array) {
  const norm = randoms(20, HIDDEN, 0.5, 1.5);
  const tileRows = 4 * variant.rowLanes;
  const squares = new Float32Array(residual.length / tileRows);
  residual.forEach((value, i) => squares[Math.floor(i / tileRows)]! += value * value);
  const scales = Array.from({ length: residual.length / HIDDEN }, (_, c) => {
    const row = residual.subarray(c * HIDDEN, (c + 1) * HIDDEN);
    return 1 / Math.sqrt(row.reduce((sum, value) => sum + value * value, 0) / HIDDEN + RMS_EPSILON);
  });
  return {
    weighted: rowsOf(device, variant, HIDDEN, residual.map((value, i) => value * norm[i % HIDDEN]!)),
    squares: device.upload("squares", squares),
    normed: Float64Array.from(residual, (value, i) => value * norm[i % HIDDEN]! * scales[Math.floor(i / HIDDEN)]!),
  };
}

/** What a product reads. */
function rowsOf(device: Device, variant: KernelVariant, columns: number, values: Float32Array<ArrayBuffer>): Resource {
  const rows = createRows(device, variant, "x", values.length / columns, columns);
  write(device, rows, values);
  return rows;
}

/** What the next product reads, with room for more rows than are written. */
const untouchedRows = (device: Device, variant: KernelVariant, columns: number) =>
  rowsOf(device, variant, columns, new Float32Array(ROOM * columns).fill(UNTOUCHED));

/** Loads a matrix, in two parts where asked for. */
async function load(
  device: Device,
  variant: KernelVariant,
  tensors: readonly MemoryTensor[],
  inParts = false,
): Promise<Matrix> {
  const plan = { name: "random", tensors, arrangement: "concatenate" } as const;
  if (!inParts) return await loadMatrix(device, variant, plan, () => {});
  const rows = tensors.reduce((sum, { shape }) => sum + shape[1]!, 0);
  const { layout } = await loadMatrix(device, variant, plan, () => {});
  const tiles = Math.ceil(rows / (4 * variant.rowLanes));
  const restore = limitBindings(device, Math.ceil(tiles * 0.6) * tileBytes(layout));
  const matrix = await loadMatrix(device, variant, plan, () => {});
  restore();
  assert.is(matrix.parts.length, 2);
  return matrix;
}

for (const { title, adapter, make } of LANES_CASES) {
  const check = (name: string, body: (device: Device, variant: KernelVariant) => Promise<void>) =>
    withDevice(`${title}: ${name}`, (device) => body(device, make(device)), { adapter });

  for (const [cache, headSize] of [["f16", 64], ["f32", 128]] as [CacheType, number][]) {
    await check(`Q, K and V are rotated and lie in an ${cache} cache`, async (device, variant) => {
      const [queryRows, kvRows, position, capacity, strip] = [4 * headSize, 2 * headSize, 9, 20, 8];
      const tensors = [queryRows, kvRows, kvRows].map((rows, i) =>
        memoryTensor("Q8_0", HIDDEN, randoms(i, rows * HIDDEN))
      ) as [MemoryTensor, MemoryTensor, MemoryTensor];
      const { weighted, squares, normed } = normInput(device, variant, randoms(5, ROWS * HIDDEN));
      const shape = { headSize, base: 100, factors: randoms(6, headSize / 2, 1, 3), scale: 2 };
      const cacheBytes = cache === "f16" ? 2 : 4;
      const size = (strip + capacity) * kvRows * cacheBytes;
      const [keys, values] = [createCache(device, variant, "keys", size), createCache(device, variant, "values", size)];
      const queries = untouched(device, ROOM * queryRows);
      const step = new StepBuffer(device);
      const epilogue = {
        source: CACHE_SOURCES[cache] + variant.memory.cacheWrite + rms + finishQkv,
        constants: {
          HIDDEN,
          RMS_EPSILON,
          HEAD_SIZE: headSize,
          Q_ROWS: queryRows,
          KV_ROWS: kvRows,
          BRANCH_SLOTS: strip,
        },
        buffers: [squares, device.upload("rope", ropeTable(capacity, shape)), queries, keys, values],
      };
      // V as a matrix of its own, whose rows stand behind the others; or all in one that is cut in two.
      const shifted = (matrix: Matrix, by: number): Matrix => ({
        ...matrix,
        parts: matrix.parts.map((part) => ({ ...part, firstRow: part.firstRow + by })),
      });
      const matrices = cache === "f16"
        ? [
          await load(device, variant, tensors.slice(0, 2)),
          shifted(await load(device, variant, [tensors[2]]), queryRows + kvRows),
        ]
        : [await load(device, variant, tensors, true)];
      const kernels = await Promise.all(
        matrices.map((matrix) => createMatmul(device, variant, matrix, step.buffer, weighted, epilogue)),
      );
      step.run(kernels.flat(), ROWS, position);
      // The same rows, those behind the first one in the strip.
      step.run(kernels.flat(), ROWS, position, 0, position + 1);

      const rotate = (y: Float64Array, scale: number) =>
        y.map((value, i) => {
          const row = i % (y.length / ROWS) % headSize;
          const pair = row >> 1;
          const angle = (position + Math.floor(i / (y.length / ROWS))) *
            shape.base ** (-2 * pair / headSize) / shape.factors[pair]! / shape.scale;
          const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
          return scale * (row % 2 ? value * cos + y[i - 1]! * sin : value * cos - y[i + 1]! * sin);
        });
      const [q, k, v] = tensors.map(({ values }) => product(values, normed, HIDDEN)) as [
        Float64Array,
        Float64Array,
        Float64Array,
      ];
      const wantedQ = rotate(q, 1 / Math.sqrt(headSize));
      assertWritten("queries", await readFloats(device, queries, ROOM * queryRows), wantedQ, 3e-5, 3e-5);
      for (const [name, resource, wanted] of [["keys", keys, rotate(k, 1)], ["values", values, v]] as const) {
        const all = new Float64Array((strip + capacity) * kvRows);
        all.set(wanted, (strip + position) * kvRows);
        all.set(wanted.subarray(kvRows), 0);
        const got = cacheFloats(cache, await read(device, resource, size));
        // f16 keeps 11 bits.
        assertClose(name, got, all, 3e-5, cache === "f16" ? 2 ** -10 : 3e-5);
        assert.ok(got.every((value, i) => value === 0 || all[i] !== 0), `${name}: written elsewhere`);
      }
    });
  }

  await check("the residual is added to, weighted, and its squares are summed", async (device, variant) => {
    const columns = 160;
    const matrix = memoryTensor("Q4_1", columns, randomMatrix(1, HIDDEN, columns));
    const [x, before, norm] = [randoms(2, ROWS * columns), randoms(3, ROWS * HIDDEN), randoms(4, HIDDEN, 0.5, 1.5)];
    const residual = untouched(device, ROOM * HIDDEN);
    device.queue.writeBuffer(residual, 0, before);
    const weighted = untouchedRows(device, variant, HIDDEN);
    const tileRows = 4 * variant.rowLanes;
    const squares = untouched(device, ROOM * HIDDEN / tileRows);
    const step = new StepBuffer(device);
    const kernels = await createMatmul(
      device,
      variant,
      await load(device, variant, [matrix], true),
      step.buffer,
      rowsOf(device, variant, columns, x),
      {
        source: variant.memory.out + finishResidual,
        constants: { HIDDEN, OUT_QUADS: HIDDEN / 4 },
        buffers: [device.upload("norm", norm), weighted, residual, squares],
      },
    );
    step.run(kernels, ROWS);
    const after = product(matrix.values, x, columns).map((value, i) => value + before[i]!);
    const sums = new Float64Array(ROWS * HIDDEN / tileRows);
    after.forEach((value, i) => sums[Math.floor(i / tileRows)]! += value * value);
    assertWritten("residual", await readFloats(device, residual, ROOM * HIDDEN), after);
    const wantedWeighted = after.map((value, i) => value * norm[i % HIDDEN]!);
    assertWritten("weighted", await readFloats(device, weighted, ROOM * HIDDEN), wantedWeighted);
    assertWritten("squares", await readFloats(device, squares, ROOM * HIDDEN / tileRows), sums, 2e-4, 2e-5);
  });

  await check("gate and up become silu(gate) * up", async (device, variant) => {
    // Rows that don't fill the last tile; and gates of hundreds, whose exp overflows.
    const feedForward = 36;
    const tensor = memoryTensor("Q4_1", HIDDEN, randoms(1, 2 * feedForward * HIDDEN, -20, 20));
    const { weighted, squares, normed } = normInput(device, variant, randoms(2, ROWS * HIDDEN));
    const activation = untouchedRows(device, variant, feedForward);
    const step = new StepBuffer(device);
    const kernels = await createMatmul(
      device,
      variant,
      await load(device, variant, [tensor], true),
      step.buffer,
      weighted,
      {
        source: variant.memory.out + rms + finishSwiglu,
        constants: { HIDDEN, RMS_EPSILON, FEED_FORWARD: feedForward, OUT_QUADS: feedForward / 4 },
        buffers: [squares, activation],
      },
    );
    step.run(kernels, ROWS);
    const y = product(tensor.values, normed, HIDDEN);
    assert.ok(Math.min(...y) < -100 && Math.max(...y) > 100);
    const wanted = Array.from({ length: ROWS * feedForward }, (_, i) => {
      const [gate, up] = [y[2 * i]!, y[2 * i + 1]!];
      return gate / (1 + Math.exp(-gate)) * up;
    });
    assertWritten("activation", await readFloats(device, activation, ROOM * feedForward), wanted, 0.05, 1e-4);
  });

  await check("each row's largest logit is chosen, of equal ones the lowest token", async (device, variant) => {
    const vocabulary = 301;
    const matrix = randoms(1, vocabulary * HIDDEN);
    const x = randoms(2, ROWS * HIDDEN);
    // Rows of the matrix that equal a row of x stand out by far.
    const best = [[6, 7, 300], [299, 160, 290, 190], [300]];
    best.forEach((tokens, c) => {
      for (const token of tokens) matrix.set(x.subarray(c * HIDDEN, (c + 1) * HIDDEN), token * HIDDEN);
    });
    // All logits below zero, the padding's; then all equal.
    x.fill(0, 3 * HIDDEN);
    x[3 * HIDDEN] = -1;
    for (let token = 0; token < vocabulary; token++) {
      matrix[token * HIDDEN] = best.flat().includes(token) ? 3.5 : 3 + token % 13 / 13;
    }
    const tensor = memoryTensor("F32", HIDDEN, matrix);
    const input = normInput(device, variant, x);
    // Not weighted, so that the ties are exact; RMSNorm's factor has no part in the choice.
    write(device, input.weighted, x);
    const loaded = await load(device, variant, [tensor], true);
    const logits = untouched(device, ROOM * vocabulary);
    const bests = createBests(device, variant, ROOM, vocabulary);
    const chosen = device.upload("chosen", new Uint32Array(3 * ROOM).fill(UNTOUCHED));
    const tokens = device.upload("tokens", new Uint32Array(ROOM).fill(UNTOUCHED));
    const step = new StepBuffer(device);
    const kernels = await createMatmul(device, variant, loaded, step.buffer, input.weighted, {
      source: rms + finishLogits,
      constants: { HIDDEN, RMS_EPSILON, ...tileConstants(variant, vocabulary) },
      buffers: [input.squares, logits, bests],
    });
    kernels.push(await createArgmax(device, variant, vocabulary, [step.buffer, bests, logits, chosen, tokens]));
    step.run(kernels, ROWS, 0, 2);

    const products = product(tensor.values, x, HIDDEN);
    const wanted = products.map((value, i) => {
      const row = x.subarray(Math.floor(i / vocabulary) * HIDDEN, (Math.floor(i / vocabulary) + 1) * HIDDEN);
      return value / Math.sqrt(row.reduce((sum, v) => sum + v * v, 0) / HIDDEN + RMS_EPSILON);
    });
    assertWritten("logits", await readFloats(device, logits, ROOM * vocabulary), wanted, 5e-5, 2e-5);
    const wantedTokens = Array.from({ length: ROWS }, (_, c) => {
      const row = products.subarray(c * vocabulary, (c + 1) * vocabulary);
      return row.indexOf(Math.max(...row));
    });
    assert.equal(wantedTokens, [6, 160, 300, 0, 0]);
    const secondOf = (row: Float64Array, best: number) => {
      const others = row.map((value, token) => token === best ? -Infinity : value);
      return others.indexOf(Math.max(...others));
    };
    const readWords = async (buffer: GPUBuffer) => new Uint32Array(await device.read(buffer));
    const checkChoices = async (at: number, rows: number) => {
      const words = await readWords(chosen);
      for (let c = 0; c < rows; c++) {
        const row = wanted.subarray(c * vocabulary, (c + 1) * vocabulary);
        const best = wantedTokens[c]!;
        const choice = words.subarray(3 * (at + c), 3 * (at + c + 1));
        assert.is(choice[0], best, `row ${c}: token`);
        // Where logits tie by construction, the products do so exactly.
        assert.is(
          choice[2],
          secondOf(products.subarray(c * vocabulary, (c + 1) * vocabulary), best),
          `row ${c}: second`,
        );
        const share = 1 / row.reduce((sum, value) => sum + Math.exp(value - row[best]!), 0);
        assertClose(`row ${c}: confidence`, new Float32Array(choice.slice(1, 2).buffer), [share], 1e-6, 1e-4);
      }
      return words;
    };
    const words = await checkChoices(2, ROWS);
    const outside = words.filter((_, i) => i < 6 || i >= 6 + 3 * ROWS);
    assert.equal([...outside], new Array(3 * (ROOM - ROWS)).fill(UNTOUCHED));
    assert.equal([...await readWords(tokens)], [wantedTokens.at(-1), ...new Array(ROOM - 1).fill(UNTOUCHED)]);
    // The last of fewer rows is the next step's input. Each row's bits are the same.
    step.run(kernels, 2, 0, 0);
    const fewer = await checkChoices(0, 2);
    assert.equal(fewer.slice(0, 6), words.slice(6, 12));
    assert.is((await readWords(tokens))[0], 160);
  });
}

test.run();
