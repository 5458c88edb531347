import type { Summary } from "../spec/trace/summary.ts";
import { mean } from "../util/numbers.ts";
import type { Acceptance } from "./simulated-pair.ts";
import {
  fixedOf,
  GREEDY,
  HEDGED,
  LOOKAHEADS,
  PUBLISHED,
  sdOf,
  type Setting,
  type SimulatedHardware,
  simulateRun,
  UNHEDGED,
} from "./simulate.ts";

export interface PlanOptions {
  readonly hardware: SimulatedHardware;
  readonly acceptance: Acceptance;
  /** The acceptance of the middle lane's model by the verify model, for hardware that has one. */
  readonly middleAcceptance?: Acceptance;
  /** Tokens of each run. */
  readonly tokens: number;
  /** Runs of each setting, each on draws of its own. */
  readonly runs: number;
  /** Is called after each run with the number of runs done. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** A setting's figures, means of its runs. Times are in ms. */
export interface PlanRow {
  /** The flags that stand for it on the command line. */
  readonly setting: string;
  readonly msPerToken: number;
  /** The least and the most of the runs. */
  readonly spread: readonly [number, number];
  /** How many times as fast as greedy. */
  readonly speedup: number;
  readonly tokensPerVerification: number;
  /** The share of the time in which a lane is busy. */
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
  /** Ms of a draft step. */
  readonly draftMs: number;
  /** Ms of a verification by its rows. */
  readonly verifyMs: readonly number[];
  /**
   * No scheme without branches is more than this many times as fast as greedy: 1 / ((1 - a) + a c), where a is the
   * acceptance and c a draft step over a verification of one row. A scheme with hedges may be.
   */
  readonly linearBound: number;
  /** How many times as fast as the fastest pair of models all three are; null without a middle one. */
  readonly chainGain: number | null;
}

/** What a row is simulated on. */
type Candidate = Pick<PlanOptions, "hardware" | "acceptance" | "middleAcceptance"> & { readonly setting: Setting };

const MIDDLE_DRAFTS: Setting = { ...HEDGED, name: "amusd --draft-model-path MIDDLE" };
const CHAIN: Setting = { ...HEDGED, name: "amusd --middle-model-path MIDDLE" };

/** Sizes of the fixed launch rules, of which the best is shown. */
const FIXED = [1, 2, 3, 4, 6, 8, 12];
/** A lane that is busy for more of the time than this bounds the run. */
const BOUND = 0.9;
/** Length of the runs by which the best lookahead and the best fixed rule are found, in tokens. */
const SEARCH_TOKENS = 600;

/** Simulates the strategies on hardware that one need not have, by the very code that runs on real hardware. */
export async function plan(options: PlanOptions): Promise<Plan> {
  const { hardware: { verify, draft, middle }, acceptance, middleAcceptance, tokens, runs, onProgress } = options;
  const hardware = { verify, draft };
  const searched = [...LOOKAHEADS.map(sdOf), ...FIXED.map(fixedOf)];
  const shown = (sd: Setting, fixed: Setting): Candidate[] => [
    ...[GREEDY, sdOf(5), sd, PUBLISHED, fixed, UNHEDGED, HEDGED].map((setting) => ({ setting, hardware, acceptance })),
    ...(middle && middleAcceptance
      ? [
        { setting: MIDDLE_DRAFTS, hardware: { verify, draft: middle }, acceptance: middleAcceptance },
        { setting: CHAIN, hardware: { verify, draft, middle }, acceptance, middleAcceptance },
      ]
      : []),
  ];
  const total = searched.length + shown(GREEDY, GREEDY).length * runs;
  let done = 0;
  const run = async (candidate: Candidate, length: number, seed: number) => {
    const { setting, hardware, acceptance, middleAcceptance } = candidate;
    const { summary } = await simulateRun(setting, hardware, acceptance, length, seed, false, middleAcceptance);
    onProgress?.(++done, total);
    return summary;
  };
  const quickest = async (candidates: readonly Setting[]) => {
    const times: number[] = [];
    for (const setting of candidates) {
      const { msPerToken } = await run({ setting, hardware, acceptance }, Math.min(tokens, SEARCH_TOKENS), 1);
      times.push(msPerToken!);
    }
    return candidates[times.indexOf(Math.min(...times))]!;
  };
  const bestSd = await quickest(LOOKAHEADS.map(sdOf));
  const bestFixed = await quickest(FIXED.map(fixedOf));
  const rows: PlanRow[] = [];
  const unique = new Map(shown(bestSd, bestFixed).map((candidate) => [candidate.setting.name, candidate]));
  for (const candidate of unique.values()) {
    const { setting } = candidate;
    const summaries: Summary[] = [];
    for (let seed = 1; seed <= runs; seed++) summaries.push(await run(candidate, tokens, seed));
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
  const fastest = (rows: readonly PlanRow[]) => rows.toSorted((x, y) => x.msPerToken - y.msPerToken)[0]!;
  const chain = rows.find(({ setting }) => setting === CHAIN.name);
  return {
    rows,
    use: fastest(rows).setting,
    acceptance: a,
    draftMs,
    verifyMs,
    linearBound: 1 / ((1 - a) + a * draftMs / verifyMs[1]!),
    chainGain: chain ? fastest(rows.filter((row) => row !== chain)).msPerToken / chain.msPerToken : null,
  };
}
