import type { Summary } from "../spec/trace/summary.ts";
import { mean } from "../util/numbers.ts";
import type { Acceptance } from "./simulated-pair.ts";
import {
  BEST,
  fixedOf,
  GREEDY,
  HEDGED,
  LOOKAHEADS,
  PUBLISHED,
  sdOf,
  type Setting,
  type SimulatedHardware,
  simulateRun,
} from "./simulate.ts";

export interface PlanOptions {
  readonly hardware: SimulatedHardware;
  readonly acceptance: Acceptance;
  /** Of each run. */
  readonly tokens: number;
  /** Runs of each setting, on other draws. */
  readonly runs: number;
  /** Hears how many of all runs are done. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** What a setting comes to. Times in ms. */
export interface PlanRow {
  /** As the command line says it. */
  readonly setting: string;
  readonly msPerToken: number;
  /** The least and the most of the runs. */
  readonly spread: readonly [number, number];
  /** Over greedy. */
  readonly speedup: number;
  readonly tokensPerVerification: number;
  readonly verifyBusy: number;
  /** Null where nothing drafts. */
  readonly draftBusy: number | null;
  readonly wastedPerToken: number;
  readonly boundBy: "verify lane" | "draft lane" | "turns and latency";
}

export interface Plan {
  readonly rows: readonly PlanRow[];
  /** The fastest row's setting. */
  readonly use: string;
  /** Mean chance of a drafted token. */
  readonly acceptance: number;
  readonly draftMs: number;
  /** tv(n), by n. */
  readonly verifyMs: readonly number[];
  /** No scheme without branches is faster, over greedy: 1 / ((1 - a) + a c). Hedges may be. */
  readonly linearBound: number;
}

/** Rules that take so many tokens at a time: the best of them is shown. */
const FIXED = [1, 2, 3, 4, 6, 8, 12];
/** A lane that is busy for more of the time than this bounds the run. */
const BOUND = 0.9;
/** What the best lookahead and the best fixed rule are sought with. */
const SEARCH_TOKENS = 600;

/** Simulates the strategies on hardware that one need not have, on the very code that runs on hardware. */
export async function plan(options: PlanOptions): Promise<Plan> {
  const { hardware, acceptance, tokens, runs, onProgress } = options;
  const searched = [...LOOKAHEADS.map(sdOf), ...FIXED.map(fixedOf)];
  const settings = 7;
  const total = searched.length + settings * runs;
  let done = 0;
  const run = async (setting: Setting, length: number, seed: number) => {
    const { summary } = await simulateRun(setting, hardware, acceptance, length, seed);
    onProgress?.(++done, total);
    return summary;
  };
  const quickest = async (candidates: readonly Setting[]) => {
    const times: number[] = [];
    for (const setting of candidates) times.push((await run(setting, Math.min(tokens, SEARCH_TOKENS), 1)).msPerToken!);
    return candidates[times.indexOf(Math.min(...times))]!;
  };
  const bestSd = await quickest(LOOKAHEADS.map(sdOf));
  const bestFixed = await quickest(FIXED.map(fixedOf));
  const rows: PlanRow[] = [];
  const unique = new Map([GREEDY, sdOf(5), bestSd, PUBLISHED, bestFixed, BEST, HEDGED].map((one) => [one.name, one]));
  for (const setting of unique.values()) {
    const summaries: Summary[] = [];
    for (let seed = 1; seed <= runs; seed++) summaries.push(await run(setting, tokens, seed));
    const meanOf = (figure: (summary: Summary) => number) => mean(summaries.map(figure));
    const times = summaries.map((summary) => summary.msPerToken!);
    const busy = (lane: number) =>
      meanOf(({ lanes }) => lanes[lane] ? lanes[lane].busyMs / (lanes[lane].busyMs + lanes[lane].idleMs) : 0);
    const [verifyBusy, draftBusy] = [busy(0), setting === GREEDY ? null : busy(1)];
    const msPerToken = meanOf((summary) => summary.msPerToken!);
    rows.push({
      setting: setting.name,
      msPerToken,
      spread: [Math.min(...times), Math.max(...times)],
      speedup: (rows[0]?.msPerToken ?? msPerToken) / msPerToken,
      tokensPerVerification: meanOf((summary) => summary.tokensPerVerification!),
      verifyBusy,
      draftBusy,
      wastedPerToken: meanOf((summary) => summary.wastedDrafts / summary.tokens),
      boundBy: verifyBusy >= BOUND ? "verify lane" : (draftBusy ?? 0) >= BOUND ? "draft lane" : "turns and latency",
    });
  }
  const { draws } = acceptance;
  const a = mean(draws.map(({ chance }) => chance));
  const [draftMs, verifyMs] = [hardware.draft.passMs[1]!, hardware.verify.passMs];
  return {
    rows,
    use: rows.toSorted((x, y) => x.msPerToken - y.msPerToken)[0]!.setting,
    acceptance: a,
    draftMs,
    verifyMs,
    linearBound: 1 / ((1 - a) + a * draftMs / verifyMs[1]!),
  };
}
