import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Device, Resource } from "../../../src/gpu/device.ts";
import { createArgmax, createArgmaxTiles } from "../../../src/kernels/sampling/argmax.ts";
import { createQkNorm } from "../../../src/kernels/attention/qk-norm.ts";
import { KV_CACHE_BYTES, type KvCacheType } from "../../../src/kernels/attention/attention.ts";
import type { KernelContext } from "../../../src/kernels/kernel-context.ts";
import {
  gateAndUpEpilogues,
  logitsEpilogue,
  qkvEpilogue,
  residualEpilogue,
  swigluEpilogue,
} from "../../../src/kernels/matmul/epilogues.ts";
import { createMatmul, type Matrix } from "../../../src/kernels/matmul/matmul.ts";
import { tileBytes } from "../../../src/kernels/formats/weight-layout.ts";
import { ropeTable } from "../../../src/llama/rope-table.ts";
import { loadMatrix } from "../../../src/llama/weights.ts";
import { withDevice } from "../../with-device.ts";
import {
  assertClose,
  cacheFloats,
  limitBindings,
  type MemoryTensor,
  memoryTensor,
  product,
  randomMatrix,
  randoms,
  read,
  readFloats,
  StepBuffer,
  VARIANT_CASES,
  write,
} from "../kernel-fixture.ts";

const HIDDEN = 96;
const EPSILON = 1e-5;
/** Two workgroups of three: the last one has a row too many, which must write nothing. */
const ROWS = 5;
const ROOM = 16;
/** A buffer's values where nothing may be written. */
const UNTOUCHED = 777;

const untouched = (device: Device, length: number) => device.upload("out", new Float32Array(length).fill(UNTOUCHED));

/** `wanted` and behind it nothing but what was there before. */
function assertWritten(title: string, got: Float32Array, wanted: ArrayLike<number>, absolute = 2e-5, relative = 2e-5) {
  assertClose(title, got.subarray(0, wanted.length), wanted, absolute, relative);
  const end = got.subarray(wanted.length);
  assert.ok(end.length > 0 && end.every((value) => value === UNTOUCHED), `${title}: written past the rows`);
}

/** A residual stream as its writer leaves it (weighted, with sums of squares), and the values after RMSNorm. */
function normInput(context: KernelContext, residual: Float32Array) {
  const { device, variant: { tileN } } = context;
  const norm = randoms(20, HIDDEN, 0.5, 1.5);
  const squares = new Float32Array(residual.length / tileN);
  residual.forEach((value, i) => squares[Math.floor(i / tileN)]! += value * value);
  const scales = Array.from({ length: residual.length / HIDDEN }, (_, i) => {
    const row = residual.subarray(i * HIDDEN, (i + 1) * HIDDEN);
    return 1 / Math.sqrt(row.reduce((sum, value) => sum + value * value, 0) / HIDDEN + EPSILON);
  });
  return {
    weighted: rowsOf(context, HIDDEN, residual.map((value, i) => value * norm[i % HIDDEN]!)),
    rms: { hidden: HIDDEN, epsilon: EPSILON, squares: device.upload("squares", squares) },
    normed: Float64Array.from(residual, (value, i) => value * norm[i % HIDDEN]! * scales[Math.floor(i / HIDDEN)]!),
  };
}

/** Rows that a product multiplies. */
function rowsOf(context: KernelContext, k: number, values: Float32Array<ArrayBuffer>): Resource {
  const rows = context.createRows("x", values.length / k, k);
  write(context.device, rows, values);
  return rows;
}

/** Rows that the next product multiplies, with room for more than are written. */
const untouchedRows = (context: KernelContext, k: number) =>
  rowsOf(context, k, new Float32Array(ROOM * k).fill(UNTOUCHED));

/** Loads a matrix, in two parts where asked for. */
async function load(context: KernelContext, tensors: readonly MemoryTensor[], inParts = false): Promise<Matrix> {
  const plan = { name: "random", tensors, arrangement: "concatenate" } as const;
  const whole = await loadMatrix(context, plan, () => {});
  if (!inParts) return whole;
  const tiles = Math.ceil(whole.n / context.variant.tileN);
  const restore = limitBindings(context.device, Math.ceil(tiles * 0.6) * tileBytes(whole.layout));
  const matrix = await loadMatrix(context, plan, () => {});
  restore();
  assert.is(matrix.parts.length, 2);
  return matrix;
}

const QKV_KINDS: readonly [kvCache: KvCacheType, headSize: number, rotates: boolean, qkNorms: boolean][] = [
  ["f16", 64, true, false],
  ["f32", 128, true, false],
  ["f16", 48, true, true],
  ["f32", 80, false, true],
];

for (const { title, adapter, contextOf } of VARIANT_CASES) {
  const check = (name: string, body: (context: KernelContext) => Promise<void>) =>
    withDevice(`${title}: ${name}`, (device) => body(contextOf(device)), { adapter });

  // llvmpipe is slow to compile barriers.
  const kinds = title === "split-64" && adapter === "default" ? QKV_KINDS.slice(0, 2) : QKV_KINDS;
  for (const [kvCache, headSize, rotates, qkNorms] of kinds) {
    const done = [...qkNorms ? ["normed"] : [], ...rotates ? ["rotated"] : []].join(" and ") || "as they are";
    await check(`Q, K and V, heads of ${headSize}, are ${done} and lie in an ${kvCache} cache`, async (context) => {
      const { device } = context;
      const [heads, kvHeads, position, capacity, branchSlots] = [4, 2, 9, 20, 8];
      const [qN, kvN] = [heads * headSize, kvHeads * headSize];
      const tensors = [qN, kvN, kvN].map((n, i) => memoryTensor("Q8_0", HIDDEN, randoms(i, n * HIDDEN))) as [
        MemoryTensor,
        MemoryTensor,
        MemoryTensor,
      ];
      const { weighted, rms, normed } = normInput(context, randoms(5, ROWS * HIDDEN));
      const frequencies = Float64Array.from(randoms(6, headSize / 2, 0.01, 1));
      const rope = { size: headSize, frequencies, magnitude: 1 };
      const size = (branchSlots + capacity) * kvN * KV_CACHE_BYTES[kvCache];
      const [keys, values] = [context.createCache("keys", size), context.createCache("values", size)];
      const queries = untouched(device, ROOM * qN);
      const projected = device.storage("projected", ROOM * (qN + kvN) * 4);
      const step = new StepBuffer(device);
      const shape = { heads, kvHeads, headSize, window: null, rotates, qkNorms, kvCache, branchSlots };
      const table = device.upload("rope", ropeTable(capacity, headSize, rope));
      const epilogue = qkvEpilogue(context, rms, shape, {
        rope: table,
        queries: qkNorms ? projected : queries,
        keys,
        values,
      });
      // V as a matrix of its own, whose weight rows stand behind the others; or all in one that is cut in two.
      const shifted = (matrix: Matrix, by: number): Matrix => ({
        ...matrix,
        parts: matrix.parts.map((part) => ({ ...part, firstN: part.firstN + by })),
      });
      const matrices = kvCache === "f16"
        ? [await load(context, tensors.slice(0, 2)), shifted(await load(context, [tensors[2]]), qN + kvN)]
        : [await load(context, tensors, true)];
      const kernels = await Promise.all(
        matrices.map((matrix) => createMatmul(context, matrix, step.buffer, weighted, epilogue)),
      );
      const norms = [randoms(30, headSize, 0.5, 1.5), randoms(31, headSize, 0.5, 1.5)] as const;
      if (qkNorms) {
        const weights = norms.map((norm) => device.upload("norm", norm));
        const resources = [step.buffer, projected, ...weights, table, queries, keys, values];
        kernels.push([await createQkNorm(context, shape, EPSILON, resources)]);
      }
      step.run(kernels.flat(), ROWS, position);
      // The same rows, those behind the first one in the branch slots.
      step.run(kernels.flat(), ROWS, position, 0, position + 1);

      const norm = (y: Float64Array, weights: Float32Array) =>
        y.map((value, i) => {
          const at = i - i % headSize;
          const square = y.subarray(at, at + headSize).reduce((sum, value) => sum + value * value, 0);
          return value / Math.sqrt(square / headSize + EPSILON) * weights[i % headSize]!;
        });
      const rotate = (y: Float64Array, scale: number) =>
        y.map((value, i) => {
          const dimension = i % (y.length / ROWS) % headSize;
          const pair = dimension >> 1;
          const angle = rotates ? (position + Math.floor(i / (y.length / ROWS))) * frequencies[pair]! : 0;
          const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
          return scale * (dimension % 2 ? value * cos + y[i - 1]! * sin : value * cos - y[i + 1]! * sin);
        });
      const [q, k, v] = tensors.map(({ values }, i) => {
        const y = product(values, normed, HIDDEN);
        return qkNorms && i < 2 ? norm(y, norms[i]!) : y;
      }) as [Float64Array, Float64Array, Float64Array];
      const wantedQ = rotate(q, 1 / Math.sqrt(headSize));
      assertWritten("queries", await readFloats(device, queries, ROOM * qN), wantedQ, 3e-5, 3e-5);
      for (const [name, resource, wanted] of [["keys", keys, rotate(k, 1)], ["values", values, v]] as const) {
        const all = new Float64Array((branchSlots + capacity) * kvN);
        all.set(wanted, (branchSlots + position) * kvN);
        all.set(wanted.subarray(kvN), 0);
        const got = cacheFloats(kvCache, await read(device, resource, size));
        // f16 keeps 11 bits.
        assertClose(name, got, all, 3e-5, kvCache === "f16" ? 2 ** -10 : 3e-5);
        assert.ok(got.every((value, i) => value === 0 || all[i] !== 0), `${name}: written elsewhere`);
      }
    });
  }

  await check("the residual is added to, weighted, and its squares are summed", async (context) => {
    const { device, variant: { tileN } } = context;
    const k = 160;
    const matrix = memoryTensor("Q4_1", k, randomMatrix(1, HIDDEN, k));
    const [x, before, norm] = [randoms(2, ROWS * k), randoms(3, ROWS * HIDDEN), randoms(4, HIDDEN, 0.5, 1.5)];
    const residual = untouched(device, ROOM * HIDDEN);
    device.queue.writeBuffer(residual, 0, before);
    const weighted = untouchedRows(context, HIDDEN);
    const squares = untouched(device, ROOM * HIDDEN / tileN);
    const step = new StepBuffer(device);
    const out = { norm: device.upload("norm", norm), weighted, residual, squares };
    const kernels = await createMatmul(
      context,
      await load(context, [matrix], true),
      step.buffer,
      rowsOf(context, k, x),
      residualEpilogue(context, HIDDEN, out),
    );
    step.run(kernels, ROWS);
    const after = product(matrix.values, x, k).map((value, i) => value + before[i]!);
    const sums = new Float64Array(ROWS * HIDDEN / tileN);
    after.forEach((value, i) => sums[Math.floor(i / tileN)]! += value * value);
    assertWritten("residual", await readFloats(device, residual, ROOM * HIDDEN), after);
    const wantedWeighted = after.map((value, i) => value * norm[i % HIDDEN]!);
    assertWritten("weighted", await readFloats(device, weighted, ROOM * HIDDEN), wantedWeighted);
    assertWritten("squares", await readFloats(device, squares, ROOM * HIDDEN / tileN), sums, 2e-4, 2e-5);
  });

  await check("gate and up become silu(gate) * up", async (context) => {
    const { device } = context;
    // Weight rows that don't fill the last tile; and gates of hundreds, whose exp overflows.
    const feedForward = 36;
    const tensor = memoryTensor("Q4_1", HIDDEN, randoms(1, 2 * feedForward * HIDDEN, -20, 20));
    const { weighted, rms, normed } = normInput(context, randoms(2, ROWS * HIDDEN));
    const activation = untouchedRows(context, feedForward);
    const step = new StepBuffer(device);
    const epilogue = swigluEpilogue(context, rms, feedForward, activation);
    const kernels = await createMatmul(context, await load(context, [tensor], true), step.buffer, weighted, epilogue);
    step.run(kernels, ROWS);
    const y = product(tensor.values, normed, HIDDEN);
    assert.ok(Math.min(...y) < -100 && Math.max(...y) > 100);
    const wanted = Array.from({ length: ROWS * feedForward }, (_, i) => {
      const [gate, up] = [y[2 * i]!, y[2 * i + 1]!];
      return gate / (1 + Math.exp(-gate)) * up;
    });
    assertWritten("activation", await readFloats(device, activation, ROOM * feedForward), wanted, 0.05, 1e-4);
  });

  await check("gates of one format and ups of another become silu(gate) * up", async (context) => {
    const { device } = context;
    const feedForward = 68;
    const tensors = (["Q8_0", "Q4_1"] as const).map((type, i) =>
      memoryTensor(type, HIDDEN, randoms(i, feedForward * HIDDEN, -20, 20))
    );
    const { weighted, rms, normed } = normInput(context, randoms(2, ROWS * HIDDEN));
    const activation = untouchedRows(context, feedForward);
    const gates = untouched(device, ROOM * feedForward);
    const step = new StepBuffer(device);
    const epilogues = gateAndUpEpilogues(context, rms, feedForward, gates, activation);
    for (const [i, tensor] of tensors.entries()) {
      const matrix = await load(context, [tensor], true);
      step.run(await createMatmul(context, matrix, step.buffer, weighted, epilogues[i]!), ROWS);
    }
    const [gate, up] = tensors.map(({ values }) => product(values, normed, HIDDEN));
    assert.ok(Math.min(...gate!) < -100 && Math.max(...gate!) > 100);
    const wanted = gate!.map((value, i) => value / (1 + Math.exp(-value)) * up![i]!);
    assertWritten("activation", await readFloats(device, activation, ROOM * feedForward), wanted, 0.05, 1e-4);
    assertWritten("gates", await readFloats(device, gates, ROOM * feedForward), gate!, 1e-3, 1e-4);
  });

  await check("each row's largest logit is chosen, of equal ones the lowest token", async (context) => {
    const { device } = context;
    const vocabulary = 301;
    const matrix = randoms(1, vocabulary * HIDDEN);
    const x = randoms(2, ROWS * HIDDEN);
    // Weight rows that equal a row of x stand out by far.
    const best = [[6, 7, 300], [299, 160, 290, 190], [300]];
    best.forEach((tokens, row) => {
      for (const token of tokens) matrix.set(x.subarray(row * HIDDEN, (row + 1) * HIDDEN), token * HIDDEN);
    });
    // All logits below zero, the padding's; then all equal.
    x.fill(0, 3 * HIDDEN);
    x[3 * HIDDEN] = -1;
    for (let token = 0; token < vocabulary; token++) {
      matrix[token * HIDDEN] = best.flat().includes(token) ? 3.5 : 3 + token % 13 / 13;
    }
    const tensor = memoryTensor("F32", HIDDEN, matrix);
    const input = normInput(context, x);
    // Not weighted, so that the ties are exact; RMSNorm's factor has no part in the choice.
    write(device, input.weighted, x);
    const loaded = await load(context, [tensor], true);
    const logits = untouched(device, ROOM * vocabulary);
    const argmaxTiles = createArgmaxTiles(context, ROOM, vocabulary);
    const chosen = device.upload("chosen", new Uint32Array(3 * ROOM).fill(UNTOUCHED));
    const tokens = device.upload("tokens", new Uint32Array(ROOM).fill(UNTOUCHED));
    const step = new StepBuffer(device);
    const epilogue = logitsEpilogue(context, input.rms, vocabulary, { logits, argmaxTiles });
    const kernels = [
      ...await createMatmul(context, loaded, step.buffer, input.weighted, epilogue),
      await createArgmax(context, vocabulary, [step.buffer, argmaxTiles, logits, chosen, tokens]),
    ];
    step.run(kernels, ROWS, 0, 2);

    const products = product(tensor.values, x, HIDDEN);
    const wanted = products.map((value, i) => {
      const row = x.subarray(Math.floor(i / vocabulary) * HIDDEN, (Math.floor(i / vocabulary) + 1) * HIDDEN);
      return value / Math.sqrt(row.reduce((sum, v) => sum + v * v, 0) / HIDDEN + EPSILON);
    });
    assertWritten("logits", await readFloats(device, logits, ROOM * vocabulary), wanted, 5e-5, 2e-5);
    const rowOf = (values: Float64Array, i: number) => values.subarray(i * vocabulary, (i + 1) * vocabulary);
    const wantedTokens = Array.from({ length: ROWS }, (_, i) => {
      const row = rowOf(products, i);
      return row.indexOf(Math.max(...row));
    });
    assert.equal(wantedTokens, [6, 160, 300, 0, 0]);
    const runnerUpOf = (row: Float64Array, best: number) => {
      const others = row.map((value, token) => token === best ? -Infinity : value);
      return others.indexOf(Math.max(...others));
    };
    const readWords = async (buffer: GPUBuffer) => new Uint32Array(await device.read(buffer));
    const checkChosen = async (at: number, rows: number) => {
      const words = await readWords(chosen);
      for (let i = 0; i < rows; i++) {
        const row = rowOf(wanted, i);
        const best = wantedTokens[i]!;
        const own = words.subarray(3 * (at + i), 3 * (at + i + 1));
        assert.is(own[0], best, `row ${i}: token`);
        // Where logits tie by construction, the products do so exactly.
        assert.is(own[2], runnerUpOf(rowOf(products, i), best), `row ${i}: runner-up`);
        const share = 1 / row.reduce((sum, value) => sum + Math.exp(value - row[best]!), 0);
        assertClose(`row ${i}: confidence`, new Float32Array(own.slice(1, 2).buffer), [share], 1e-6, 1e-4);
      }
      return words;
    };
    const words = await checkChosen(2, ROWS);
    const outside = words.filter((_, i) => i < 6 || i >= 6 + 3 * ROWS);
    assert.equal([...outside], new Array(3 * (ROOM - ROWS)).fill(UNTOUCHED));
    assert.equal([...await readWords(tokens)], [wantedTokens.at(-1), ...new Array(ROOM - 1).fill(UNTOUCHED)]);
    // The last of fewer rows is the next step's input. Each row's bits are the same.
    step.run(kernels, 2, 0, 0);
    const fewer = await checkChosen(0, 2);
    assert.equal(fewer.slice(0, 6), words.slice(6, 12));
    assert.is((await readWords(tokens))[0], 160);
  });
}

test.run();
