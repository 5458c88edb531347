import { test } from "uvu";
import * as assert from "uvu/assert";
import { createAttention, type KvCacheType } from "../../../src/kernels/attention/attention.ts";
import { MAX_ROWS } from "../../../src/spec/lanes/lane.ts";
import { withDevice } from "../../with-device.ts";
import {
  assertClose,
  assertSameBits,
  cacheFloats,
  randoms,
  read,
  readFloats,
  StepBuffer,
  VARIANT_CASES,
  write,
} from "../kernel-fixture.ts";

/** Before, at and behind the ends of blocks of 8 and 64 positions. */
const POSITIONS = [0, 7, 8, 63, 64, 200];
const CAPACITY = 200 + MAX_ROWS;
const KV_HEADS = 2;
const BRANCH_SLOTS = 8;
const FORK = 61;

/** The nearest 16-bit float. */
function halfBits(value: number): number {
  const view = new DataView(new ArrayBuffer(2));
  view.setFloat16(0, value);
  return view.getUint16(0);
}

/** The keys or the values that a row in the branch slots sees, by position: `slot` floats each. */
function branchFloats(floats: Float32Array, slot: number): Float32Array {
  const branch = floats.slice(BRANCH_SLOTS * slot, (BRANCH_SLOTS + FORK + BRANCH_SLOTS) * slot);
  branch.set(floats.subarray(0, BRANCH_SLOTS * slot), FORK * slot);
  return branch;
}

function cacheData(kvCache: KvCacheType, values: Float32Array<ArrayBuffer>) {
  return kvCache === "f32" ? values : new Uint32Array(new Uint16Array(values.map(halfBits)).buffer);
}

interface Case {
  readonly headSize: number;
  readonly kvCache: KvCacheType;
  /** Numbers of query heads to a KV head. */
  readonly groups: readonly number[];
  readonly window: number | null;
}

/** The commonest heads. How a group is shared has nothing to do with how the cache is read. */
const COMMON: readonly Case[] = [
  { headSize: 64, kvCache: "f16", groups: [1, 3, 8], window: null },
  { headSize: 128, kvCache: "f16", groups: [4], window: null },
  { headSize: 64, kvCache: "f32", groups: [3], window: null },
  { headSize: 128, kvCache: "f32", groups: [4], window: null },
];
/** Heads that the invocations share evenly and unevenly, and windows that end within a block and with one. */
const SOME: readonly Case[] = [
  { headSize: 48, kvCache: "f32", groups: [1], window: 1 },
  { headSize: 64, kvCache: "f16", groups: [3], window: 5 },
  { headSize: 112, kvCache: "f16", groups: [2], window: null },
  { headSize: 208, kvCache: "f32", groups: [1], window: 64 },
];
const OTHERS = [32, 48, 80, 96, 144, 160, 176, 192, 208, 224, 240, 256].map((headSize, i): Case => (
  { headSize, kvCache: i % 2 === 0 ? "f16" : "f32", groups: [1 + i % 3], window: null }
));

for (const { title, adapter, contextOf } of VARIANT_CASES) {
  // llvmpipe takes 5 to 20 s to compile one that has barriers, SwiftShader is slow to compile all.
  const cases = adapter === "swiftshader"
    ? title === "rows-4 in textures" ? COMMON : [...COMMON, ...SOME]
    : title === "split-64"
    ? COMMON.slice(1)
    : [...COMMON, ...SOME, ...OTHERS];
  for (const { headSize, kvCache, groups, window } of cases) {
    const seen = window === null ? "its past" : `the last ${window} positions`;
    const name = `${title}: heads of ${headSize} in groups of ${groups}, ${kvCache}`;
    await withDevice(`${name}: each row attends to ${seen}, alone or among others`, async (device) => {
      const context = contextOf(device);
      const slot = KV_HEADS * headSize;
      const length = (BRANCH_SLOTS + CAPACITY) * slot;
      const cached = async (seed: number) => {
        const data = cacheData(kvCache, randoms(seed, length));
        const resource = context.createCache("cache", data.byteLength);
        write(device, resource, data);
        const floats = cacheFloats(kvCache, await read(device, resource, data.byteLength));
        return { resource, main: floats.subarray(BRANCH_SLOTS * slot), branch: branchFloats(floats, slot) };
      };
      const [keys, values] = [await cached(1), await cached(2)];
      for (const group of groups) {
        const heads = KV_HEADS * group;
        const width = heads * headSize;
        const step = new StepBuffer(device);
        const queries = device.storage("queries", MAX_ROWS * width * 4);
        const unwritten = new Float32Array(MAX_ROWS * width).fill(777);
        const attended = context.createRows("attended", MAX_ROWS, width);
        const resources = [step.buffer, queries, keys.resource, values.resource, attended];
        const shape = { headSize, heads, kvHeads: KV_HEADS, window, kvCache, branchSlots: BRANCH_SLOTS };
        const kernel = await createAttention(context, shape, resources);
        const attend = async (q: Float32Array<ArrayBuffer>, position: number, fork?: number) => {
          device.queue.writeBuffer(queries, 0, q);
          write(device, attended, unwritten);
          step.run([kernel], q.length / width, position, 0, fork);
          return await readFloats(device, attended, q.length);
        };
        const wantedOf = (q: Float32Array, k: Float32Array, v: Float32Array, position: number) =>
          reference(q, k, v, Math.max(0, position + 1 - (window ?? Infinity)), position, headSize, group);
        for (const position of POSITIONS) {
          // Scores of up to some tens either way: a sharp attention, that needs its maximum taken off.
          const q = randoms(position, MAX_ROWS * width, -2, 2);
          const together = await attend(q, position);
          for (const rows of [1, 5]) {
            assertSameBits(
              `${rows} rows at ${position}`,
              await attend(q.slice(0, rows * width), position),
              together
                .slice(0, rows * width),
            );
          }
          for (const row of [0, 1, 6, 15]) {
            const own = q.slice(row * width, (row + 1) * width);
            const got = together.slice(row * width, (row + 1) * width);
            assertSameBits(`row ${row} at ${position}`, await attend(own, position + row), got);
            const wanted = wantedOf(own, keys.main, values.main, position + row);
            assertClose(`group ${group}, row ${row} at ${position}`, got, wanted, 3e-5, 2e-5);
          }
        }
        // The main sequence before the branch ends within a block of positions.
        for (const position of [FORK, FORK + 3, FORK + BRANCH_SLOTS - 1]) {
          const q = randoms(position, width, -2, 2);
          const wanted = wantedOf(q, keys.branch, values.branch, position);
          assertClose(`group ${group}, branch at ${position}`, await attend(q, position, FORK), wanted, 3e-5, 2e-5);
        }
      }
    }, { adapter });
  }
}

/** softmax(q k) v over positions `first` .. `last`, head by head. */
function reference(
  q: Float32Array,
  k: Float32Array,
  v: Float32Array,
  first: number,
  last: number,
  headSize: number,
  group: number,
): Float64Array {
  const output = new Float64Array(q.length);
  for (let head = 0; head < q.length / headSize; head++) {
    const at = (seen: number) => ((first + seen) * KV_HEADS + Math.floor(head / group)) * headSize;
    const scores = Array.from({ length: last + 1 - first }, (_, seen) => {
      let sum = 0;
      for (let i = 0; i < headSize; i++) sum += q[head * headSize + i]! * k[at(seen) + i]!;
      return sum;
    });
    const most = Math.max(...scores);
    const weights = scores.map((score) => Math.exp(score - most));
    const total = weights.reduce((a, b) => a + b);
    weights.forEach((weight, seen) => {
      for (let i = 0; i < headSize; i++) output[head * headSize + i]! += weight / total * v[at(seen) + i]!;
    });
  }
  return output;
}

test("the reference weighs positions by the exponent of their scores", () => {
  const [q, k] = [new Float32Array(64), new Float32Array(2 * KV_HEADS * 64)];
  q[0] = Math.log(3);
  k[KV_HEADS * 64] = 1;
  const v = Float32Array.from(k, (_, i) => i < KV_HEADS * 64 ? 0 : 1);
  assert.ok(Math.abs(reference(q, k, v, 0, 1, 64, 1)[5]! - 0.75) < 1e-7);
});

test.run();
