import type { LaunchCosts } from "../spec/schedule/launch-policy.ts";
import { MAX_ROWS } from "../spec/lanes/lane.ts";
import { isRecord } from "../util/is-record.ts";
import { onLine } from "../util/numbers.ts";
import shipped from "./hardware.json" with { type: "json" };

/** A device to simulate a lane on: measured times of a model there, or the device's data sheet. */
export type HardwareSpec = MeasuredSpec | RooflineSpec;

interface CommonSpec {
  readonly name: string;
  /** Where the figures are from. */
  readonly source: string;
  /** From the device's end to the host's knowing, and back: a network between, if there is one. */
  readonly latencyMs: number;
  /** Steps in the lane's queue: 2 if not given, 1 where the device waits for the host between them. */
  readonly stepsAhead?: 1 | 2;
}

/** What a model took on a device. */
export interface MeasuredSpec extends CommonSpec {
  /** Ms of one pass by its rows; between and beyond them times lie on lines. */
  readonly passMs: Readonly<Record<string, number>>;
  readonly prefillMsPerToken?: number;
}

/** What a data sheet says of a device, from which `passMs` reckons a pass. */
export interface RooflineSpec extends CommonSpec {
  /** The peak, in GB/s, and the share of it that decoding reaches. */
  readonly bandwidthGBs: number;
  readonly bandwidthShare: number;
  /** The peak of float32 multiply-adds in TFLOP/s (two a multiply-add), and the share that a product reaches. */
  readonly teraflops: number;
  readonly computeShare: number;
  /** What one dispatch takes beyond what it computes. */
  readonly dispatchUs: number;
}

/** What a pass of a model reads and computes. */
export interface ModelWork {
  readonly name: string;
  /** Read once a pass. */
  readonly weightBytes: number;
  /** Multiply-adds with weights a row. */
  readonly multiplyAdds: number;
  /** Keys and values of one position. */
  readonly cacheBytes: number;
  readonly dispatches: number;
}

const SHIPPED: readonly HardwareSpec[] = shipped as readonly unknown[] as readonly HardwareSpec[];

/** The names of the hardware that ships with the program. */
export const SHIPPED_HARDWARE: readonly string[] = SHIPPED.map(({ name }) => name);

/** The hardware of that name that ships with the program, if there is one. */
export function shippedHardware(name: string): HardwareSpec | undefined {
  return SHIPPED.find((spec) => spec.name === name);
}

/** The figures that a spec may have, and the least value of each. */
const NUMBERS = {
  latencyMs: 0,
  prefillMsPerToken: 0,
  bandwidthGBs: Number.MIN_VALUE,
  bandwidthShare: Number.MIN_VALUE,
  teraflops: Number.MIN_VALUE,
  computeShare: Number.MIN_VALUE,
  dispatchUs: 0,
} as const;
/** The figures that a spec without measured passes must have. */
const ROOFLINE = ["bandwidthGBs", "bandwidthShare", "teraflops", "computeShare", "dispatchUs"] as const;

/** Checks what a hardware file holds. Throws a TypeError of one line, which `where` begins. */
export function parseHardware(value: unknown, where: string): HardwareSpec {
  const wrong = (state: string) =>
    new TypeError(`${where}: ${state}; see the hardware that \`plan --list-hardware\` prints`);
  if (!isRecord(value)) throw wrong("it is no JSON object");
  const known = ["name", "source", "passMs", "stepsAhead", ...Object.keys(NUMBERS)];
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown !== undefined) throw wrong(`"${unknown}" is none of ${known.join(", ")}`);
  for (const key of ["name", "source"]) {
    if (typeof value[key] !== "string") throw wrong(`"${key}" is missing or no text`);
  }
  if (![undefined, 1, 2].includes(value.stepsAhead as undefined)) throw wrong('"stepsAhead" is neither 1 nor 2');
  const measured = value.passMs !== undefined;
  for (const key of ["latencyMs", ...(measured ? [] : ROOFLINE)]) {
    if (value[key] === undefined) throw wrong(`"${key}" is missing`);
  }
  for (const [key, least] of Object.entries(NUMBERS)) {
    const figure = value[key];
    if (figure !== undefined && !(typeof figure === "number" && figure >= least && figure < Infinity)) {
      throw wrong(`"${key}" is ${JSON.stringify(figure)}, wanted a number${least > 0 ? " above 0" : " from 0"}`);
    }
  }
  if (measured) {
    const entries = isRecord(value.passMs) ? Object.entries(value.passMs) : [];
    const fits = ([rows, ms]: [string, unknown]) =>
      /^([1-9]|1[0-6])$/.test(rows) && typeof ms === "number" && ms > 0 && ms < Infinity;
    if (!entries.some(([rows]) => rows === "1") || !entries.every(fits)) {
      throw wrong(`"passMs" has to give ms above 0 by rows from 1 to ${MAX_ROWS}, of 1 among them`);
    }
  }
  return value as unknown as HardwareSpec;
}

/** Whether it depends on the model what a pass takes there. */
export function needsModel(spec: HardwareSpec): spec is RooflineSpec {
  return !("passMs" in spec);
}

/**
 * Ms of a pass, by rows from 0 to MAX_ROWS: as measured, or by the roofline model (Williams, Waterman and Patterson,
 * 2009), the longer of reading weights and cache and of computing, and what the dispatches take by themselves. Throws a
 * TypeError where a model is needed and none is given.
 */
export function passMs(spec: HardwareSpec, model: ModelWork | undefined, context: number): LaunchCosts["verifyMs"] {
  if (!needsModel(spec)) {
    const sizes = Object.keys(spec.passMs).map(Number).sort((a, b) => a - b);
    const at = (size: number) => spec.passMs[size]!;
    return Array.from({ length: MAX_ROWS + 1 }, (_, rows) => onLine(sizes, at, Math.max(1, rows)));
  }
  if (!model) {
    throw new TypeError(`Cannot plan with hardware "${spec.name}": it wants a model, to know what a pass takes`);
  }
  const { weightBytes, cacheBytes, multiplyAdds, dispatches } = model;
  const readMs = (weightBytes + context * cacheBytes) / (spec.bandwidthGBs * spec.bandwidthShare * 1e6);
  const rowMs = 2 * multiplyAdds / (spec.teraflops * spec.computeShare * 1e9);
  const overheadMs = dispatches * spec.dispatchUs / 1000;
  return Array.from({ length: MAX_ROWS + 1 }, (_, rows) => Math.max(readMs, rows * rowMs) + overheadMs);
}

/** Ms of a prefill, a token: as measured, or as in a pass of MAX_ROWS rows, of which `passes` has the ms by rows. */
export function prefillMs(spec: HardwareSpec, passes: readonly number[]): number {
  return ("prefillMsPerToken" in spec ? spec.prefillMsPerToken : undefined) ?? passes[MAX_ROWS]! / MAX_ROWS;
}
