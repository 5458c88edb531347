import { mean, sum } from "../util/numbers.ts";
import type { BenchmarkRun, ResultsConfiguration } from "../benchmark/results.ts";

/** Where a benchmark stands, for a line of progress. */
export interface BenchmarkState {
  readonly strategies: ResultsConfiguration["strategies"];
  readonly runs: readonly BenchmarkRun[];
  /** The number of turns of each sample. */
  readonly turns: readonly number[];
  /** How many of the runs an interrupted benchmark had left. */
  readonly before: number;
  /** How long the others took together. */
  readonly elapsedMs: number;
  /** How many of the prompt's tokens are fed, while some still are not. */
  readonly prefill?: { readonly fed: number; readonly of: number };
}

/** As "sample 2 of 10, answer 5 of 30; ms/token: greedy 30.1, sd 28.0; 2 min 5 s left" */
export function progressLine({ strategies, runs, turns, before, elapsedMs, prefill }: BenchmarkState): string {
  const total = strategies.length * sum(turns);
  let sample = 0;
  for (let answers = 0; sample < turns.length && answers <= runs.length; sample++) {
    answers += strategies.length * turns[sample]!;
  }
  const means = strategies.flatMap((strategy) => {
    const times = runs.flatMap((run) => run.strategy === strategy && run.msPerToken !== null ? [run.msPerToken] : []);
    return times.length > 0 ? [`${strategy} ${mean(times).toFixed(1)}`] : [];
  });
  const done = runs.length - before;
  return [
    `sample ${sample} of ${turns.length}, answer ${Math.min(runs.length + 1, total)} of ${total}`,
    ...(prefill ? [`prefill ${prefill.fed} of ${prefill.of} tokens`] : []),
    ...(means.length > 0 ? [`ms/token: ${means.join(", ")}`] : []),
    ...(done > 0 ? [`${duration(elapsedMs / done * (total - runs.length))} left`] : []),
  ].join("; ");
}

/** As "45 s", "12 min 5 s", "3 h 20 min". */
function duration(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ${seconds % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
