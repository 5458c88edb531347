/**
 * Times the kernels of a model, each alone, after holding them against double precision and against the bits of one
 * row:
 *
 *   deno run -A lab/kernels/time.ts [--kernels matmul,attention,embed,argmax] [--formats Q4_1,Q8_0]
 *     [--model embedded|draft|random|llama-1b] [--rows 1,4] [--context 256] [--variant split-64]
 *     [--device swiftshader] [--rounds 10] [--swap FOLDER]...
 *
 * `--swap` gives a folder of WGSL files that stand in for those of the same names in src/kernels; they take turns with
 * the shipped ones. "loads free" is the same kernel with the loads of weights, rows and cache taken out, which is the
 * floor of its arithmetic. README.md has all that was tried, with figures.
 */
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { show, spread } from "../../bench/rounds.ts";
import { openDevice } from "../../src/gpu/adapters.ts";
import { Device, type Pipeline } from "../../src/gpu/device.ts";
import { encodeKernel, type Kernel } from "../../src/kernels/kernel.ts";
import { KernelContext } from "../../src/kernels/kernel-context.ts";
import { possibleVariants } from "../../src/kernels/kernel-variant.ts";
import { PACKINGS, type WeightType } from "../../src/kernels/formats/weight-layout.ts";
import { listFiles } from "../../src/platform/platform.ts";
import { type ModelShape, shapeOf } from "../../src/plan/model-work.ts";
import { MAX_ROWS } from "../../src/spec/lanes/lane.ts";
import { findTestAdapter } from "../../tests/with-device.ts";
import { type Case, createCases } from "./cases.ts";

const SMOLLM2 = { hidden: 576, heads: 9, kvHeads: 3, headSize: 64, feedForward: 1536, vocabulary: 49152 };
const MODELS: Readonly<Record<string, ModelShape>> = {
  embedded: { ...SMOLLM2, layers: 30 },
  draft: { ...SMOLLM2, layers: 4 },
  /** The model of bench/formats.ts: each k is in whole blocks of 256. */
  random: { layers: 20, hidden: 768, heads: 12, kvHeads: 4, headSize: 64, feedForward: 2048, vocabulary: 8192 },
  "llama-1b": shapeOf("llama-3.2-1b")!,
};
/** The time of one timing on the device, about. */
const TIMED_MS = 20;
const EMPTY = "@compute @workgroup_size(1) fn main() {}";
const LOADS_FREE = path.join(import.meta.dirname!, "loads-free");

const { values: flags } = parseArgs({
  options: {
    kernels: { type: "string", default: "matmul" },
    formats: { type: "string", default: "Q4_1" },
    model: { type: "string", default: "embedded" },
    rows: { type: "string", default: "1,4" },
    context: { type: "string", default: "256" },
    variant: { type: "string" },
    device: { type: "string", default: "default" },
    rounds: { type: "string", default: "10" },
    swap: { type: "string", multiple: true, default: [] },
  },
});

/** Replaces shipped WGSL by a folder's files. */
class SwapDevice extends Device {
  /** The shipped text, and the one that stands in for it. */
  swaps: readonly (readonly [string, string])[] = [];

  override pipeline(label: string, code: string): Promise<Pipeline> {
    return super.pipeline(label, this.swaps.reduce((text, [from, to]) => text.replace(from, () => to), code));
  }
}

async function readSwaps(folder: string): Promise<[string, string][]> {
  const shipped = await listFiles(fileURLToPath(new URL("../../src/kernels", import.meta.url)));
  const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
  return await Promise.all(
    names.filter((name) => name.endsWith(".wgsl")).map(async (name) => {
      const file = shipped.find((file) => path.basename(file) === name);
      if (!file) throw new TypeError(`Cannot swap "${name}": src/kernels has no such file`);
      return [await Deno.readTextFile(file), await Deno.readTextFile(path.join(folder, name))];
    }),
  );
}

const list = (text: string) => text.split(",");
const types = list(flags.formats) as WeightType[];
const shape = MODELS[flags.model];
const unknown = types.find((type) => !Object.hasOwn(PACKINGS, type));
if (!shape || unknown) throw new TypeError(`Cannot time "${unknown ?? flags.model}": there is no such model or format`);
const adapter = await findTestAdapter(flags.device === "swiftshader" ? "swiftshader" : "default");
const device = new SwapDevice(await openDevice({ adapter, label: "lab", threads: 1 }));
const variant = possibleVariants(device).find(({ name }) => name === flags.variant);
if (flags.variant && !variant) {
  const names = possibleVariants(device).map(({ name }) => name).join(", ");
  throw new TypeError(`Cannot time the variant "${flags.variant}": ${names} can run here`);
}
const context = new KernelContext(device, variant);
const step = device.buffer("step", 16, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
const times = device.timestamps(2)!;
const resolved = device.buffer("times", 16, GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC);

/** Runs `dispatches` dispatches of the kernels in turn; answers ms of the device for each. */
async function run(kernels: readonly Kernel[], rows: number, position: number, dispatches: number): Promise<number> {
  device.queue.writeBuffer(step, 0, new Uint32Array([position, rows, 0, 0]));
  const encoder = device.encoder();
  const pass = encoder.beginComputePass({
    timestampWrites: { querySet: times, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 },
  });
  for (let i = 0; i < dispatches; i++) encodeKernel(pass, kernels[i % kernels.length]!, rows);
  pass.end();
  encoder.resolveQuerySet(times, 0, 2, resolved, 0);
  device.queue.submit([encoder.finish()]);
  const [start, end] = new BigUint64Array(await device.read(resolved, 16));
  return Number(end! - start!) / 1e6 / dispatches;
}

/** Throws unless the case gives what the reference says, and its first row the bits of one row alone. */
async function check(what: string, { kernels, position, output, reference }: Case): Promise<void> {
  await run(kernels, 1, position, 1);
  const alone = await output(1);
  for (let rows = 1; rows <= MAX_ROWS; rows *= 2) {
    await run(kernels, rows, position, 1);
    const got = await output(rows);
    for (const [i, wanted] of reference(rows)) {
      if (!(Math.abs(got[i]! - wanted) <= 1e-4 + 1e-4 * Math.abs(wanted))) {
        throw new Error(`${what}, ${rows} rows: at ${i} it gave ${got[i]}, wanted ${wanted}`);
      }
    }
    for (let i = 0; i < alone.length; i++) {
      if (!Object.is(got[i], alone[i])) {
        throw new Error(`${what}: at ${i} ${rows} rows gave ${got[i]}, one ${alone[i]}`);
      }
    }
  }
}

const versions = [
  { version: "ships", folder: null },
  ...flags.swap.map((folder) => ({ version: path.basename(folder), folder })),
  { version: "loads free", folder: LOADS_FREE },
];
console.log(`${new Date().toISOString()}; ${adapter.name}, ${adapter.driver}; ${context.variant.name}`);
const empty = await device.pipeline("empty", EMPTY);
const emptyKernel = {
  label: "empty",
  pipelines: [empty],
  group: device.bind(empty, []),
  width: 1,
  workOf: () => ({ bytes: 0, multiplyAdds: 0 }),
};
await run([emptyKernel], 1, 0, 1);
console.log(`${flags.model}; an empty dispatch takes ${(1e3 * await run([emptyKernel], 1, 0, 1000)).toFixed(1)} us`);
for (const type of types) {
  const timed = [];
  for (const { version, folder } of versions) {
    device.swaps = folder === null ? [] : await readSwaps(folder);
    const cases = await createCases(context, step, shape, type, list(flags.kernels), Number(flags.context));
    for (const one of cases) {
      if (folder !== LOADS_FREE) await check(`${type} ${one.name}, ${version}`, one);
      for (const rows of list(flags.rows).map(Number)) {
        const ms = await run(one.kernels, rows, one.position, 2);
        const dispatches = Math.max(one.kernels.length, Math.ceil(TIMED_MS / ms));
        timed.push({ ...one, version, rows, dispatches, samples: [] as number[] });
      }
    }
  }
  for (let round = 0; round < Number(flags.rounds); round++) {
    for (const { kernels, rows, position, dispatches, samples } of timed) {
      samples.push(await run(kernels, rows, position, dispatches));
    }
  }
  const totals = new Map<string, number[]>();
  for (
    const { name, version, rows, count, bytes, multiplyAdds, samples } of timed.toSorted((a, b) => a.rows - b.rows)
  ) {
    const { median } = spread(samples);
    const floor = timed.find((other) => other.name === name && other.rows === rows && other.version === "loads free")!;
    console.log(
      `${type.padEnd(5)} ${name.padEnd(30)} ${rows} rows  ${version.padEnd(10)} ms ${show(spread(samples), 3)}  ` +
        `${(bytes / median / 1e6).toFixed(1)} GB/s  ${
          (rows * multiplyAdds / median / 1e6).toFixed(1)
        } G multiply-adds/s  ` +
        `floor/this ${(spread(floor.samples).median / median).toFixed(2)}`,
    );
    const key = `${rows} rows  ${version}`;
    totals.set(key, samples.map((ms, i) => ms * count + (totals.get(key)?.[i] ?? 0)));
  }
  for (const [key, samples] of totals) {
    console.log(`${type.padEnd(5)} all of a pass: ${key}  ms ${show(spread(samples), 2)}`);
  }
}
device.close();
