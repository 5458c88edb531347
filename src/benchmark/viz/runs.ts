import type { StrategyName } from "../../engine/generation-run.ts";
import { groupBy } from "../../util/group-by.ts";
import type { BenchmarkRun, Results } from "../results.ts";

/** One turn of one sample, with the run of each strategy that answered it. */
export interface Case {
  /** The sample's id, with the turn where there are several. */
  readonly name: string;
  readonly runs: ReadonlyMap<StrategyName, BenchmarkRun>;
}

/** The turns of all samples, in the order in which they first ran. */
export function casesOf({ runs }: Results): Case[] {
  const hasTurns = runs.some(({ turn }) => turn > 0);
  return groupBy(runs, ({ sample, turn }) => `${sample}/${turn}`).map((group) => {
    const { id, turn } = group[0]!;
    return {
      name: printable(hasTurns ? `${id}, turn ${turn + 1}` : id),
      runs: new Map(group.map((run) => [run.strategy, run])),
    };
  });
}

/**
 * The case to show where there is room for one: of those that most strategies answered, the one in which the last
 * strategy's ms/token, as a share of the first's, is the (lower) median.
 */
export function typicalCase(cases: readonly Case[], strategies: readonly StrategyName[]): Case {
  const most = Math.max(...cases.map(({ runs }) => runs.size));
  const share = ({ runs }: Case) => {
    const [first, last] = [strategies[0], strategies.at(-1)].map((name) => name && runs.get(name)?.msPerToken);
    return first && last ? last / first : Infinity;
  };
  const sorted = cases.filter(({ runs }) => runs.size === most).toSorted((a, b) => share(a) - share(b) || 0);
  return sorted[(sorted.length - 1) >> 1]!;
}

/** When a run began, and when it ended: at its last commit or the last operation's end, whichever is later. */
export function spanOf({ events }: BenchmarkRun): { readonly startMs: number; readonly endMs: number } {
  let startMs = 0;
  let endMs = -Infinity;
  for (const event of events) {
    if (event.kind === "start") startMs = event.ms;
    endMs = Math.max(endMs, event.kind === "operation" ? event.endMs : event.ms);
  }
  return { startMs, endMs };
}

/** Replaces the characters that XML and HTML can't hold, or that nobody would see, by Unicode's pictures of them. */
export function printable(text: string): string {
  return text.toWellFormed()
    // deno-lint-ignore no-control-regex
    .replace(/[\0-\x1f]/g, (control) => String.fromCharCode(0x2400 + control.charCodeAt(0)))
    .replace(/\x7f/g, "\u2421")
    .replace(/[\x80-\x9f\ufffe\uffff]/g, "\ufffd");
}
