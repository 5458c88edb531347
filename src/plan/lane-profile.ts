import type { LaunchCosts } from "../spec/schedule/launch-policy.ts";
import { MAX_ROWS } from "../spec/lanes/lane.ts";
import shipped from "./profiles.json" with { type: "json" };

/** A device to simulate a lane on. Figures come with their source. */
export type HardwareProfile = MeasuredProfile | RooflineProfile;

interface CommonProfile {
  readonly name: string;
  /** Where the figures are from. */
  readonly source: string;
  /** From the device's end to the host's knowing, and back: a network between, if there is one. */
  readonly latencyMs: number;
  /** Steps in the lane's queue: 2 if not given, 1 where the device waits for the host between them. */
  readonly stepsAhead?: 1 | 2;
}

/** What a model took on a device: ms of one pass by its rows; between and beyond them on lines. */
export interface MeasuredProfile extends CommonProfile {
  readonly passMs: Readonly<Record<string, number>>;
  readonly prefillMsPerToken?: number;
}

/** A device of which the data sheet is known: see `passMs`. */
export interface RooflineProfile extends CommonProfile {
  /** Peak, in GB/s, and the share of it that decoding reaches. */
  readonly bandwidthGBs: number;
  readonly bandwidthShare: number;
  /** Peak of float32 multiply-adds in TFLOP/s (two a multiply-add), and the share that a product reaches. */
  readonly teraflops: number;
  readonly computeShare: number;
  /** Of one dispatch, beyond what it computes. */
  readonly dispatchUs: number;
}

/** What a pass of a model reads and computes. */
export interface ModelWork {
  readonly name: string;
  /** Read once a pass. */
  readonly weightBytes: number;
  /** Multiply-adds with weights a row. */
  readonly multiplyAdds: number;
  /** Of keys and values, a position. */
  readonly cacheBytes: number;
  readonly dispatches: number;
}

const SHIPPED: readonly HardwareProfile[] = shipped as readonly unknown[] as readonly HardwareProfile[];

export const SHIPPED_PROFILES: readonly string[] = SHIPPED.map(({ name }) => name);

/** A profile that ships with the program, if one has that name. */
export function shippedProfile(name: string): HardwareProfile | undefined {
  return SHIPPED.find((profile) => profile.name === name);
}

const NUMBERS = {
  latencyMs: 0,
  prefillMsPerToken: 0,
  bandwidthGBs: Number.MIN_VALUE,
  bandwidthShare: Number.MIN_VALUE,
  teraflops: Number.MIN_VALUE,
  computeShare: Number.MIN_VALUE,
  dispatchUs: 0,
} as const;
const ROOFLINE = ["bandwidthGBs", "bandwidthShare", "teraflops", "computeShare", "dispatchUs"] as const;

/** Checks what a profile's file holds. Throws an Error of one line, which `where` begins. */
export function parseProfile(value: unknown, where: string): HardwareProfile {
  const wrong = (state: string) =>
    new TypeError(`${where}: ${state}; see the profiles that \`plan --profiles\` prints`);
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong("it is no JSON object");
  const profile = value as Record<string, unknown>;
  const known = ["name", "source", "passMs", "stepsAhead", ...Object.keys(NUMBERS)];
  const unknown = Object.keys(profile).find((key) => !known.includes(key));
  if (unknown !== undefined) throw wrong(`"${unknown}" is none of ${known.join(", ")}`);
  for (const key of ["name", "source"]) {
    if (typeof profile[key] !== "string") throw wrong(`"${key}" is missing or no text`);
  }
  if (![undefined, 1, 2].includes(profile.stepsAhead as undefined)) throw wrong('"stepsAhead" is neither 1 nor 2');
  const measured = profile.passMs !== undefined;
  for (const key of ["latencyMs", ...(measured ? [] : ROOFLINE)]) {
    if (profile[key] === undefined) throw wrong(`"${key}" is missing`);
  }
  for (const [key, least] of Object.entries(NUMBERS)) {
    const figure = profile[key];
    if (figure !== undefined && !(typeof figure === "number" && figure >= least && figure < Infinity)) {
      throw wrong(`"${key}" is ${JSON.stringify(figure)}, wanted a number${least > 0 ? " above 0" : " from 0"}`);
    }
  }
  if (measured) {
    const entries = typeof profile.passMs === "object" && profile.passMs ? Object.entries(profile.passMs) : [];
    const fits = ([rows, ms]: [string, unknown]) =>
      /^([1-9]|1[0-6])$/.test(rows) && typeof ms === "number" && ms > 0 && ms < Infinity;
    if (!entries.some(([rows]) => rows === "1") || !entries.every(fits)) {
      throw wrong(`"passMs" has to give ms above 0 by rows from 1 to ${MAX_ROWS}, of 1 among them`);
    }
  }
  return value as HardwareProfile;
}

/** Whether a profile needs to know what model runs there. */
export function needsModel(profile: HardwareProfile): profile is RooflineProfile {
  return !("passMs" in profile);
}

/**
 * Ms of a pass, by rows from 0 to MAX_ROWS. Measured, or by the roofline model (Williams, Waterman and Patterson, 2009): the longer of reading weights and
 * cache and of computing, and what the dispatches take by themselves.
 */
export function passMs(
  profile: HardwareProfile,
  model: ModelWork | undefined,
  context: number,
): LaunchCosts["verifyMs"] {
  if (!needsModel(profile)) {
    const known = Object.entries(profile.passMs).map(([rows, ms]) => [Number(rows), ms] as const)
      .sort((a, b) => a[0] - b[0]);
    return Array.from({ length: MAX_ROWS + 1 }, (_, rows) => onLine(known, rows));
  }
  if (!model) {
    throw new TypeError(`Cannot plan with profile "${profile.name}": it wants a model, to know what a pass takes`);
  }
  const { weightBytes, cacheBytes, multiplyAdds, dispatches } = model;
  const readMs = (weightBytes + context * cacheBytes) / (profile.bandwidthGBs * profile.bandwidthShare * 1e6);
  const rowMs = 2 * multiplyAdds / (profile.teraflops * profile.computeShare * 1e9);
  const overheadMs = dispatches * profile.dispatchUs / 1000;
  return Array.from({ length: MAX_ROWS + 1 }, (_, rows) => Math.max(readMs, rows * rowMs) + overheadMs);
}

function onLine(known: readonly (readonly [rows: number, ms: number])[], rows: number): number {
  const after = known.findIndex(([n]) => n >= rows);
  if (known.length === 1 || after === 0) return known[0]![1];
  const [[a, aMs], [b, bMs]] = after < 0 ? [known.at(-2)!, known.at(-1)!] : [known[after - 1]!, known[after]!];
  return aMs + (bMs - aMs) * (rows - a) / (b - a);
}

/** Ms of a prefill, a token. */
export function prefillMs(profile: HardwareProfile, passes: readonly number[]): number {
  return ("prefillMsPerToken" in profile ? profile.prefillMsPerToken : undefined) ?? passes[MAX_ROWS]! / MAX_ROWS;
}
