/**
 * Makes pipespec.json from PipeSpec's raw runs (github.com/BradMcDanel/pipespec at 9a64774, MIT; arXiv 2505.01572):
 * `deno run -A tests/plan/pipespec-reduce.ts humaneval.jsonl.gz > tests/plan/pipespec.json`. Of the operations' times
 * only means are kept.
 */
import { mean, median, sum } from "../../src/util/numbers.ts";
import type { PipespecRun } from "./pipespec.ts";

/** A line of the raw file; `modelMs` and `accepted` are by model, the draft first. */
interface RawRun {
  readonly strategy: PipespecRun["strategy"];
  readonly models: readonly string[];
  readonly lookahead: number;
  readonly samples: readonly {
    readonly sample: number;
    readonly tokens: number;
    readonly totalMs: number;
    readonly modelMs: readonly (readonly number[])[];
    readonly accepted: readonly (readonly number[])[];
  }[];
}

/** A verification that takes less than this share of the median one is of one row, where more rows are dear. */
const ONE_ROW = 0.6;

const round = (ms: number) => Math.round(100 * ms) / 100;

function reduced({ strategy, models, lookahead, samples }: RawRun): PipespecRun {
  const times = models.map((_, model) => samples.flatMap(({ modelMs }) => modelMs[model]!));
  const least = ONE_ROW * median(times.at(-1)!)!;
  const isOne = (ms: number) => lookahead === 1 || strategy === "greedy" || ms < least;
  const last = times.at(-1)!;
  const [one, more] = [last.filter(isOne), last.filter((ms) => !isOne(ms))];
  return {
    strategy,
    models: models.map((model) => /\d+B/.exec(model)![0]),
    lookahead,
    stepMs: models.length > 1 ? times.slice(0, -1).map((ms) => round(mean(ms))) : [],
    oneRowMs: one.length > 0 ? round(mean(one)) : null,
    rowsMs: more.length > 0 ? round(mean(more)) : null,
    samples: samples.map(({ sample, tokens, totalMs, modelMs, accepted }) => {
      // Operations of an asynchronous run overlap, and its draft never waits.
      const counted = strategy === "async-chain" ? modelMs.slice(0, 1) : modelMs;
      return {
        sample,
        tokens,
        totalMs: round(totalMs),
        restMs: round(totalMs - sum(counted.map(sum))),
        accepted: accepted.map((counts) => counts.join(" ")),
      };
    }),
  };
}

const file = await Deno.open(Deno.args[0]!);
const text = await new Response(file.readable.pipeThrough(new DecompressionStream("gzip"))).text();
const runs = text.trim().split("\n").map((line) => reduced(JSON.parse(line)));
console.log(JSON.stringify(runs, null, 2));
