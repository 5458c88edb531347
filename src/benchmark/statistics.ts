import { ratio, sum } from "../util/numbers.ts";
import type { OriginalResults } from "./original-results.ts";
import type { BenchmarkRun, Results } from "./results.ts";
import { type Estimate, speedFigures } from "./speed-figures.ts";

/** A strategy's figures in one file. Null stands for a figure that can't be told, or has nothing to divide by. */
export interface StrategyStatistics {
  readonly file: string;
  readonly strategy: string;
  readonly runs: number;
  readonly tokens: number;
  /** Time from the first token to the last, over the tokens after the first. */
  readonly msPerToken: Estimate | null;
  /** greedy's mean time for a token over this strategy's, on the samples that both answered. */
  readonly speedup: Estimate | null;
  readonly ttftMs: number | null;
  readonly tokensPerVerification: number | null;
  /** The share of the verified drafts that were accepted. */
  readonly acceptance: number | null;
  /** The same by the draft's place in the verification, the first draft first. */
  readonly acceptanceByPosition: readonly number[];
  /** The shares of the runs' time in which a lane was busy. */
  readonly verifyBusy: number | null;
  readonly draftBusy: number | null;
  /** The share in which both lanes were busy at once. */
  readonly overlap: number | null;
  /** Drafts that no verification accepted, for each token of the text. */
  readonly wastedPerToken: number | null;
  readonly joulesPerToken: number | null;
  /** Whether all its tokens equal those of the turns' first strategies. */
  readonly identical: boolean | null;
}

/** The statistics of each strategy of a benchmark, greedy being what the others are compared with. */
export function statisticsOf(file: string, results: Results): StrategyStatistics[] {
  const { msPerToken, speedups } = speedFigures(results, "greedy");
  return results.configuration.strategies.map((strategy) => {
    const runs = results.runs.filter((run) => run.strategy === strategy);
    const tokens = sum(runs.map((run) => run.tokens.length));
    const positions = acceptanceByPosition(runs);
    const verified = sum(positions.map((position) => position.verified));
    const lanes = runs.map((run) => run.lanes);
    const totalMs = sum(lanes.map(([verify]) => verify!.busyMs + verify!.idleMs));
    const energies = runs.map(joules);
    return {
      file,
      strategy,
      runs: runs.length,
      tokens,
      msPerToken: msPerToken.find((figure) => figure.strategy === strategy)?.estimate ?? null,
      speedup: speedups.find((figure) => figure.strategy === strategy)?.estimate ?? null,
      ttftMs: ratio(sum(runs.map((run) => run.ttftMs ?? 0)), runs.filter((run) => run.ttftMs !== null).length),
      tokensPerVerification: ratio(tokens, sum(runs.map((run) => run.verifications))),
      acceptance: ratio(sum(positions.map(({ accepted }) => accepted)), verified),
      acceptanceByPosition: positions.map(({ accepted, verified }) => accepted / verified),
      verifyBusy: ratio(sum(lanes.map(([verify]) => verify!.busyMs)), totalMs),
      draftBusy: lanes.some((both) => both.length > 1)
        ? ratio(sum(lanes.map(([, draft]) => draft?.busyMs ?? 0)), totalMs)
        : null,
      overlap: lanes.some((both) => both.length > 1) ? ratio(sum(runs.map((run) => run.overlapMs)), totalMs) : null,
      wastedPerToken: ratio(sum(runs.map((run) => run.wastedDrafts)), tokens),
      joulesPerToken: energies.some((energy) => energy === null) ? null : ratio(sum(energies as number[]), tokens),
      identical: runs.every((run) => run.identical),
    };
  });
}

/**
 * The same from a file of the original program (github.com/BradMcDanel/amusd), as far as it tells: total times over
 * tokens. Its `sd` began its clock after the prefill, the other strategies before.
 */
export function originalStatistics(file: string, results: OriginalResults): StrategyStatistics[] {
  const meanMs = (strategy: string) => {
    const runs = results.filter((run) => run.strategy === strategy);
    return runs.length > 0 ? 1000 * sum(runs.map((run) => run.metrics.time_per_token)) / runs.length : null;
  };
  const greedyMs = meanMs("greedy");
  const point = (value: number): Estimate => ({ mean: value, low: value, high: value });
  return [...new Set(results.map(({ strategy }) => strategy))].map((strategy) => {
    const runs = results.filter((run) => run.strategy === strategy);
    const ms = meanMs(strategy)!;
    const tokens = sum(runs.map(({ metrics }) => metrics.tokens_generated));
    const verifications = sum(runs.map(({ metrics }) => metrics.verify_times?.length ?? 0));
    const drafted = sum(runs.map(({ metrics }) => metrics.draft_times?.length ?? 0));
    return {
      file,
      strategy,
      runs: runs.length,
      tokens,
      msPerToken: point(ms),
      speedup: greedyMs !== null && strategy !== "greedy" ? point(greedyMs / ms) : null,
      ttftMs: null,
      tokensPerVerification: ratio(tokens, verifications),
      acceptance: null,
      acceptanceByPosition: [],
      verifyBusy: null,
      draftBusy: null,
      overlap: null,
      wastedPerToken: drafted > 0 ? (drafted - (tokens - verifications)) / tokens : null,
      joulesPerToken: ratio(sum(runs.map(({ metrics }) => originalJoules(metrics.gpustats))), tokens),
      identical: null,
    };
  });
}

/** How many drafts were verified, and accepted, in each place of a verification, the first draft's first. */
export function acceptanceByPosition(runs: readonly BenchmarkRun[]): { verified: number; accepted: number }[] {
  const counts: { verified: number; accepted: number }[] = [];
  for (const event of runs.flatMap(({ events }) => events)) {
    if (event.kind !== "operation" || event.accepted === undefined) continue;
    for (let at = 0; at < event.tokens.length - 1; at++) {
      const count = counts[at] ??= { verified: 0, accepted: 0 };
      count.verified++;
      if (at < event.accepted) count.accepted++;
    }
  }
  return counts;
}

/**
 * The energy of all devices over the time that the monitor saw; null where a device doesn't tell its power, or the
 * monitor saw fewer than two moments.
 */
function joules({ monitor }: BenchmarkRun): number | null {
  if (monitor.length < 2) return null;
  const points = monitor.map(({ ms, devices }) => {
    const watts = devices.map(({ powerWatts }) => powerWatts);
    return watts.some((value) => value === null) ? null : { seconds: ms / 1000, watts: sum(watts as number[]) };
  });
  return points.some((point) => point === null) ? null : trapezoids(points as Power[]);
}

function originalJoules(stats: OriginalResults[number]["metrics"]["gpustats"]): number {
  return trapezoids(stats.map(({ timestamp, gpu_powers }) => ({ seconds: timestamp, watts: sum(gpu_powers) })));
}

interface Power {
  readonly seconds: number;
  readonly watts: number;
}

/** The energy in joules under the line through these points. */
function trapezoids(points: readonly Power[]): number {
  return sum(
    points.slice(1).map(({ seconds, watts }, i) => (seconds - points[i]!.seconds) * (watts + points[i]!.watts) / 2),
  );
}
