// The original program's successor, PipeSpec, replayed on simulated lanes: pipespec.json has its measured runs on
// HumanEval, pipespec-program.ts its two ways to decode.

import {
  laneOptionsOf,
  type LaneTimes,
  PROMPT,
  type Setting,
  type SimulatedHardware,
  simulateRun,
} from "../../src/plan/simulate.ts";
import { type Acceptance, simulatedPair } from "../../src/plan/simulated-pair.ts";
import { VirtualClock } from "../../src/spec/clock.ts";
import { SimulatedLane } from "../../src/spec/lanes/simulated-lane.ts";
import { mean, onLine, sum } from "../../src/util/numbers.ts";
import { asyncChain, chain, Model } from "./pipespec-program.ts";
import runs from "./pipespec.json" with { type: "json" };

/** A configuration's measured run: means of its operations' times, in ms. */
export interface PipespecRun {
  /** `chain` is synchronous; in an `async-chain` each model runs as fast as it can. */
  readonly strategy: "greedy" | "chain" | "async-chain";
  /** Their sizes, the draft's first. */
  readonly models: readonly string[];
  /** With one token fewer drafted a verification starts; see `lookaheadOf`. */
  readonly lookahead: number;
  /** An operation of each model but the last: the draft's is a step. */
  readonly stepMs: readonly number[];
  /** A verification of one row, and of more; null where there was none, or the two can't be told apart. */
  readonly oneRowMs: number | null;
  /** In an asynchronous run the wait for the draft's answer to the last one may be part of it. */
  readonly rowsMs: number | null;
  readonly samples: readonly {
    readonly sample: number;
    readonly tokens: number;
    readonly totalMs: number;
    /** What lies outside of the operations: the prefill of all models above all. */
    readonly restMs: number;
    /** Tokens that each verification committed, for each pair of neighbours. */
    readonly accepted: readonly string[];
  }[];
}

export const PIPESPEC_RUNS = runs as readonly PipespecRun[];

/** The pairs of models, the draft first; each has a run of either strategy or more. */
export const PIPESPEC_PAIRS = [["1B", "8B"], ["1B", "70B"], ["8B", "70B"]] as const;

/** The runs of two models. */
export function pairRuns(draft: string, verify: string): readonly PipespecRun[] {
  return PIPESPEC_RUNS.filter(({ models }) => models.join() === [draft, verify].join());
}

/** A run's time for a token. */
export function measuredMs({ samples }: PipespecRun): number {
  return sum(samples.map(({ totalMs }) => totalMs)) / sum(samples.map(({ tokens }) => tokens));
}

/**
 * The files of asynchronous runs with the 70B say 0. But each of their verifications behind a rejection commits 5
 * tokens or fewer, and none took as little time as one of one row: that is the program's default, 5.
 */
export function lookaheadOf({ strategy, models, lookahead }: PipespecRun): number {
  return strategy === "async-chain" && models.at(-1) === "70B" ? 5 : lookahead;
}

/**
 * Where the draft is right in a sample's text, as synchronous runs tell; undefined where none does. Behind a
 * verification that accepted all, one that commits a single token tells less: its first draft was wrong, or the draft
 * before, in the bonus's place.
 */
function rightIn(runs: readonly PipespecRun[], sample: number): (boolean | undefined)[] {
  const votes: number[] = [];
  const vote = (position: number, isRight: boolean) => votes[position] = (votes[position] ?? 0) + (isRight ? 1 : -1);
  const unclear: number[] = [];
  for (const { lookahead, samples } of runs) {
    // The prefill chose the first token.
    let position = 1;
    let wasFull = false;
    for (const count of countsOf(samples.find((text) => text.sample === sample))) {
      const isUnclear: boolean = wasFull && count === 1;
      if (isUnclear) unclear.push(position - 1);
      else {
        if (wasFull) vote(position - 1, true);
        for (let i = 0; i < count - 1; i++) vote(position + i, true);
        if (count < lookahead) vote(position + count - 1, false);
      }
      position += count;
      wasFull = count === lookahead && !isUnclear;
    }
  }
  for (const position of unclear) {
    if (votes[position] === undefined && !(votes[position + 1]! < 0)) vote(position, false);
  }
  return Array.from(votes, (vote) => vote === undefined ? undefined : vote > 0);
}

function countsOf(sample: PipespecRun["samples"][number] | undefined): number[] {
  return sample ? sample.accepted.at(-1)!.split(" ").map(Number) : [];
}

/**
 * The acceptance in each sample's text, as those runs tell, the synchronous ones of more than one row among them; where
 * they tell nothing, the draft is right as often as elsewhere.
 */
export function acceptanceIn(runs: readonly PipespecRun[]): (sample: number, tokens: number) => Acceptance {
  const telling = runs.filter(({ strategy, lookahead }) => strategy === "chain" && lookahead > 1);
  const samples = [...new Set(runs.flatMap(({ samples }) => samples.map(({ sample }) => sample)))];
  const known = new Map(samples.map((sample) => [sample, rightIn(telling, sample)]));
  const share = mean([...known.values()].flatMap((right) => right.filter((is) => is !== undefined).map(Number)));
  return (sample, tokens) => ({
    draws: Array.from({ length: tokens }, (_, position) => {
      const right = known.get(sample)?.[position];
      return { confidence: share, chance: right === undefined ? share : Number(right) };
    }),
    runnerUp: 0.5,
    inOrder: true,
  });
}

/** More rows than any of their verifications has. */
const ROWS = 64;

/** The draft's step takes as long for a few rows, by which it goes on from a correction. */
function laneOf(passMs: (rows: number) => number): LaneTimes {
  const ms = Array.from({ length: ROWS + 1 }, (_, rows) => passMs(Math.max(1, rows)));
  // The times have the host's share in them: there is none to hide by sending a message ahead.
  return { passMs: ms, prefillMs: 0, latencyMs: 0, stepsAhead: 1 };
}

/** Lanes with that draft step, and verifications as those runs' synchronous ones took. */
export function hardwareOf(stepMs: number, runs: readonly PipespecRun[]): SimulatedHardware {
  const chains = runs.filter(({ strategy }) => strategy === "chain");
  const ms = new Map<number, number>();
  for (const { lookahead, rowsMs } of chains) if (rowsMs !== null) ms.set(Math.max(2, lookahead), rowsMs);
  const one = chains.flatMap(({ oneRowMs }) => oneRowMs ?? []);
  if (one.length > 0) ms.set(1, mean(one));
  const sizes = [...ms.keys()].sort((a, b) => a - b);
  // Beyond what was measured, as long as the nearest.
  const within = (rows: number) => Math.min(Math.max(rows, sizes[0]!), sizes.at(-1)!);
  // Where a row more makes all the difference, no line lies between one and many.
  const known = sizes.filter((size) => size > 1);
  const passMs = (rows: number) =>
    rows === 1 || known.length === 0
      ? ms.get(within(rows))!
      : onLine(known, (size) => ms.get(size)!, Math.min(Math.max(rows, known[0]!), known.at(-1)!));
  return { draft: laneOf(() => stepMs), verify: laneOf(passMs) };
}

/**
 * Their texts one behind the other on that hardware by a setting of this project, with what lies outside of the
 * operations in `best`, their quickest run. Of the draft model, and of a middle one, the runs as a draft for the verify
 * model tell where they are right; nothing is known of how sure they were.
 */
export async function ours(
  setting: Setting,
  hardware: SimulatedHardware,
  best: PipespecRun,
  draftRuns: readonly PipespecRun[],
  middleRuns?: readonly PipespecRun[],
): Promise<number> {
  const inAll = (runs: readonly PipespecRun[]): Acceptance => {
    const acceptance = acceptanceIn(runs);
    const draws = best.samples.flatMap(({ sample, tokens }) => acceptance(sample, tokens).draws);
    return { draws, runnerUp: 0.5, inOrder: true };
  };
  const [draft, middle] = [inAll(draftRuns), middleRuns && inAll(middleRuns)];
  const tokens = draft.draws.length;
  const { summary } = await simulateRun(setting, hardware, draft, tokens, 1, false, middle);
  return summary.msPerToken! + sum(best.samples.map(({ restMs }) => restMs)) / tokens;
}

/** Their run of all three models. */
export function chainRun(strategy: PipespecRun["strategy"]): PipespecRun {
  return PIPESPEC_RUNS.find((run) => run.strategy === strategy && run.models.length === 3)!;
}

/** The hardware of such a run, by its draft step and the pairs' synchronous runs. */
export function chainHardware({ stepMs }: PipespecRun): SimulatedHardware {
  const { draft, verify: middle } = hardwareOf(stepMs[0]!, pairRuns("1B", "8B"));
  return { draft, middle, verify: hardwareOf(0, pairRuns("8B", "70B")).verify };
}

/** For a sample of so many tokens, where a model is right that drafts for the last one. */
type AcceptanceIn = ReturnType<typeof acceptanceIn>;

/**
 * The time for a token that their program would take, in ms, by those lanes and chances; `rest` is outside of them, and
 * `middle` are the chances of the second of three models.
 */
export async function replay(
  run: PipespecRun,
  hardware: SimulatedHardware,
  acceptance: AcceptanceIn,
  { rest = run, middle }: { readonly rest?: PipespecRun; readonly middle?: AcceptanceIn } = {},
): Promise<number> {
  const restOf = (sample: number) => rest.samples.find((text) => text.sample === sample)?.restMs;
  const meanRestMs = mean(rest.samples.map(({ restMs }) => restMs));
  let totalMs = 0;
  for (const { sample, tokens } of run.samples) {
    const chances = acceptance(sample, tokens + ROWS);
    const models = simulatedPair(chances, sample, PROMPT.length, middle?.(sample, tokens + ROWS));
    const options = laneOptionsOf(hardware, models, PROMPT.length + tokens + 2 * ROWS);
    const clock = new VirtualClock(Infinity);
    const lanes = [options.draft, options.middle, options.verify].flatMap((options) =>
      options ? [new SimulatedLane(clock, { ...options, maxRows: ROWS })] : []
    );
    const decode = run.strategy === "chain" ? chain : asyncChain;
    const first = [...PROMPT, models.verify(PROMPT)];
    totalMs += restOf(sample) ?? meanRestMs;
    totalMs += await clock.run(async () => {
      await Promise.all(lanes.map((lane) => lane.prefill(PROMPT, 0)));
      return await decode(lanes.map((lane) => new Model(lane, first)), PROMPT.length + tokens, lookaheadOf(run), clock);
    });
  }
  return totalMs / sum(run.samples.map(({ tokens }) => tokens));
}
