import type { StrategyName } from "../engine/generation-run.ts";
import { groupBy } from "../util/group-by.ts";
import { mean, sum } from "../util/numbers.ts";
import { randomOf } from "../util/random.ts";
import type { Results } from "./results.ts";

/** A mean over the samples, and its 95 % bootstrap interval. */
export interface Estimate {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** A figure of one strategy over all samples, and its value for each case (a turn of a sample). */
export interface StrategyFigure {
  readonly strategy: StrategyName;
  readonly estimate: Estimate;
  readonly cases: readonly number[];
}

/** Samples are drawn anew this many times. */
const RESAMPLES = 4000;
/** The share of these draws that is left out on each side of the interval. */
const TAIL = 0.025;

/** One case's ms/token by a strategy, and by the one that it is compared with. */
interface Pair {
  readonly sample: number;
  readonly ms: number;
  readonly baselineMs: number;
}

/** Each strategy's ms/token, and how many times as fast as `baseline` it is on the cases that both answered. */
export function speedFigures(
  { configuration: { strategies }, runs }: Results,
  baseline: StrategyName,
): { readonly msPerToken: StrategyFigure[]; readonly speedups: StrategyFigure[] } {
  const pairsOf = (strategy: StrategyName, other: StrategyName): Pair[] =>
    runs.flatMap((run) => {
      if (run.strategy !== strategy || run.msPerToken === null) return [];
      const twin = runs.find((twin) => twin.strategy === other && twin.sample === run.sample && twin.turn === run.turn);
      return twin?.msPerToken ? [{ sample: run.sample, ms: run.msPerToken, baselineMs: twin.msPerToken }] : [];
    });
  const figures = (
    of: readonly StrategyName[],
    other: (strategy: StrategyName) => StrategyName,
    statistic: (pairs: readonly Pair[]) => number,
  ) =>
    of.flatMap((strategy) => {
      const pairs = pairsOf(strategy, other(strategy));
      if (!pairs.length) return [];
      return [{ strategy, estimate: bootstrap(pairs, statistic), cases: pairs.map((pair) => statistic([pair])) }];
    });
  return {
    msPerToken: figures(strategies, (strategy) => strategy, meanMs),
    speedups: figures(strategies.filter((strategy) => strategy !== baseline), () => baseline, speedup),
  };
}

function meanMs(pairs: readonly Pair[]): number {
  return mean(pairs.map(({ ms }) => ms));
}

/** The ratio of the mean times, as in the paper's table: the time of all samples together counts. */
function speedup(pairs: readonly Pair[]): number {
  return sum(pairs.map(({ baselineMs }) => baselineMs)) / sum(pairs.map(({ ms }) => ms));
}

/**
 * A statistic with the percentile interval of its bootstrap (Efron, 1979). Whole samples are drawn with replacement,
 * since a conversation's turns are not independent. The draws are the same each time.
 */
export function bootstrap<T extends { readonly sample: number }>(
  cases: readonly T[],
  statistic: (cases: readonly T[]) => number,
): Estimate {
  const samples = groupBy(cases, ({ sample }) => sample);
  const random = randomOf(1);
  const draws = Array.from(
    { length: RESAMPLES },
    () => statistic(samples.flatMap(() => samples[Math.floor(random() * samples.length)]!)),
  ).sort((a, b) => a - b);
  const quantile = (share: number) => draws[Math.round(share * (RESAMPLES - 1))]!;
  return { mean: statistic(cases), low: quantile(TAIL), high: quantile(1 - TAIL) };
}
