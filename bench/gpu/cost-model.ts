// What a pass should take on a GPU, on paper, so that a measurement tests a prediction: `deno run -A
// bench/gpu/cost-model.ts` prints the tables of docs/internals/gpu-cost.md.

import { packedBytes, type WeightType } from "../../src/kernels/formats/weight-layout.ts";
import type { ModelShape } from "../../src/plan/model-work.ts";
import { markdownTable } from "../../src/util/text-table.ts";
import { MIXES, SHAPES } from "./random-model.ts";

/** A GPU by its data sheet, and three assumptions that the kit's figures are to replace. */
interface Gpu {
  readonly name: string;
  readonly bandwidthGBs: number;
  /** Float32 multiply-adds, in 10^12 a second. */
  readonly teraFmas: number;
  /** Streaming multiprocessors, or compute units. */
  readonly units: number;
  /** Workgroups, and invocations, that one of them holds at once. */
  readonly residentGroups: number;
  readonly residentInvocations: number;
  /** Assumed: from a load to its data, in us. */
  readonly latencyUs: number;
  /** Assumed: a dispatch that waits for the one before, beyond what it computes, in us. */
  readonly dispatchUs: number;
}

const GPUS: readonly Gpu[] = [
  {
    name: "H100 SXM",
    bandwidthGBs: 3350,
    teraFmas: 33.5,
    units: 132,
    residentGroups: 32,
    residentInvocations: 2048,
    latencyUs: 0.6,
    dispatchUs: 3,
  },
  {
    name: "Radeon 780M",
    bandwidthGBs: 89.6,
    teraFmas: 4.1,
    units: 12,
    residentGroups: 32,
    residentInvocations: 2048,
    latencyUs: 0.8,
    dispatchUs: 6,
  },
];

/** A variant of the products: invocations of a workgroup, and weight rows that it owns. */
interface Variant {
  readonly name: string;
  readonly invocations: number;
  readonly tileN: number;
}

const VARIANTS: readonly Variant[] = [
  { name: "rows-4", invocations: 4, tileN: 16 },
  { name: "rows-8", invocations: 8, tileN: 32 },
  ...[32, 64, 128, 256].map((invocations) => ({ name: `split-${invocations}`, invocations, tileN: 4 })),
];
/** The variant that GPUs get. */
const USUAL = VARIANTS.find(({ name }) => name === "split-64")!;
/** Rows of the pass that a workgroup takes at most. */
const ROWS = 4;
/** Invocations that a GPU runs in lockstep: a smaller workgroup leaves the others idle. */
const SUBGROUP = 32;
/** Assumed: loads of 16 bytes that an invocation has in flight, and invocations that fill a unit's arithmetic. */
const LOADS = 2;
const BUSY_INVOCATIONS = 512;
/** Instructions beside the multiply-add that take a weight out of its word, once for all rows of a workgroup. */
const UNPACK: Readonly<Partial<Record<WeightType, number>>> = { Q4_K: 3, Q6_K: 3, Q8_0: 2, F16: 1 };

/** Dispatches of one kind in a pass, all alike. */
interface Dispatches {
  readonly kind: string;
  readonly count: number;
  readonly invocations: number;
  /** Workgroups of one dispatch. */
  readonly groups: number;
  readonly bytes: number;
  readonly instructions: number;
  readonly multiplyAdds: number;
}

/** A pass of a Q4_K_M model over `rows` rows at `position`. */
function passOf(shape: ModelShape, rows: number, position: number, variant = USUAL): Dispatches[] {
  const product = (kind: string, count: number, n: number, k: number, type: WeightType): Dispatches => ({
    kind,
    count,
    invocations: variant.invocations,
    groups: Math.ceil(n / variant.tileN) * tall,
    // Workgroups that share weights run near enough in time for a cache to serve the second.
    bytes: packedBytes(type, n * k),
    instructions: n * k * ((UNPACK[type] ?? 0) * tall + rows),
    multiplyAdds: n * k * rows,
  });
  const tall = Math.ceil(rows / ROWS);
  const { layers, hidden, heads, kvHeads, headSize, feedForward, vocabulary } = shape;
  const isLarge = (name: string, layer: number) => MIXES.Q4_K_M(`blk.${layer}.${name}.`, layers) === "Q6_K";
  const large = Array.from({ length: layers }, (_, layer) => isLarge("ffn_down", layer)).filter(Boolean).length;
  const [queries, keys] = [heads * headSize, kvHeads * headSize];
  // Each row's workgroups read all keys and values for themselves.
  const cacheBytes = rows * 2 * (position + rows) * keys * 2;
  const attended = 2 * rows * position * queries;
  return [
    product("Q, K, V", layers - large, queries + 2 * keys, hidden, "Q4_K"),
    // Where V has a type of its own it is a dispatch of its own.
    product("Q, K", large, queries + keys, hidden, "Q4_K"),
    product("V", large, keys, hidden, "Q6_K"),
    {
      kind: "attention",
      count: layers,
      invocations: USUAL.invocations,
      groups: kvHeads * rows,
      bytes: cacheBytes,
      instructions: 2 * attended,
      multiplyAdds: attended,
    },
    product("attention output", layers, hidden, queries, "Q4_K"),
    product("gate and up", layers, 2 * feedForward, hidden, "Q4_K"),
    product("down", layers - large, hidden, feedForward, "Q4_K"),
    product("down, Q6_K", large, hidden, feedForward, "Q6_K"),
    product("logits", 1, vocabulary, hidden, "Q6_K"),
  ];
}

function invocationsAtOnce({ groups, invocations }: Dispatches, gpu: Gpu): number {
  const places = Math.min(gpu.residentGroups, gpu.residentInvocations / Math.max(SUBGROUP, invocations));
  return invocations * Math.min(groups, gpu.units * places);
}

/** The time of one of these dispatches, in us: the longer of reading and computing, and the dispatch itself. */
function timeUs(dispatches: Dispatches, gpu: Gpu): number {
  const { bytes, instructions, invocations } = dispatches;
  const atOnce = invocationsAtOnce(dispatches, gpu);
  const bytesPerUs = Math.min(gpu.bandwidthGBs * 1e3, atOnce * 16 * LOADS / gpu.latencyUs);
  const lanes = Math.min(1, invocations / SUBGROUP);
  const busy = lanes * Math.min(1, atOnce / lanes / (gpu.units * BUSY_INVOCATIONS));
  return Math.max(bytes / bytesPerUs, instructions / (gpu.teraFmas * 1e6 * busy)) + gpu.dispatchUs;
}

const passUs = (pass: readonly Dispatches[], gpu: Gpu) =>
  pass.reduce((sum, dispatches) => sum + dispatches.count * timeUs(dispatches, gpu), 0);
const total = (pass: readonly Dispatches[], key: "bytes" | "multiplyAdds") =>
  pass.reduce((sum, dispatches) => sum + dispatches.count * dispatches[key], 0);

const large = passOf(SHAPES.full["8B"], 1, 256);
console.log("8B Q4_K_M, a decode step at position 256:\n");
console.log(markdownTable([
  ["dispatch", "in a pass", "workgroups", "MB", "M multiply-adds", ...GPUS.map(({ name }) => `us on ${name}`)],
  ...large.map((dispatches) => [
    dispatches.kind,
    `${dispatches.count}`,
    `${dispatches.groups}`,
    (dispatches.bytes / 1e6).toFixed(1),
    (dispatches.multiplyAdds / 1e6).toFixed(1),
    ...GPUS.map((gpu) => timeUs(dispatches, gpu).toFixed(1)),
  ]),
]));
console.log("\nVariants, a decode step of 8B Q4_K_M at position 256:\n");
console.log(markdownTable([
  ["variant", "workgroups", ...GPUS.flatMap(({ name }) => ["occupancy", `ms on ${name}`, "of bandwidth"])],
  ...VARIANTS.map((variant) => {
    const pass = passOf(SHAPES.full["8B"], 1, 256, variant);
    const cells = GPUS.flatMap((gpu) => {
      const us = passUs(pass, gpu);
      const occupancy = invocationsAtOnce(pass[0]!, gpu) / (gpu.units * gpu.residentInvocations);
      const share = total(pass, "bytes") / (gpu.bandwidthGBs * 1e3) / us;
      return [`${(100 * occupancy).toFixed(0)} %`, (us / 1000).toFixed(2), `${(100 * share).toFixed(0)} %`];
    });
    return [variant.name, `${pass[0]!.groups}`, ...cells];
  }),
]));
console.log("\nPasses:\n");
const passes: string[][] = [];
for (const [name, shape] of Object.entries(SHAPES.full)) {
  for (const [rows, position] of [[1, 256], [1, 4096], [2, 256], [4, 256], [8, 256], [16, 256]] as const) {
    const pass = passOf(shape, rows, position);
    const cells = GPUS.flatMap((gpu) => {
      const us = passUs(pass, gpu);
      const toOneRow = us / passUs(passOf(shape, 1, position), gpu);
      const share = total(pass, "bytes") / (gpu.bandwidthGBs * 1e3) / us;
      return [(us / 1000).toFixed(2), toOneRow.toFixed(2), `${(100 * share).toFixed(0)} %`];
    });
    passes.push([name, `${rows}`, `${position}`, ...cells]);
  }
}
console.log(markdownTable([
  ["model", "rows", "position", ...GPUS.flatMap(({ name }) => [`ms on ${name}`, "to 1 row", "of bandwidth"])],
  ...passes,
]));
