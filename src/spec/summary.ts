import type { TraceEvent } from "./trace.ts";

/** What a run's trace comes to. Times are in ms; null where there is nothing to divide by. */
export interface Summary {
  readonly promptTokens: number;
  /** Committed after the prompt. */
  readonly tokens: number;
  /** From the run's start, prefill included, to the first committed token. */
  readonly ttftMs: number | null;
  /** From the first committed token to the last, for each token after the first. */
  readonly msPerToken: number | null;
  /** Tokens that the draft lane chose as drafts, stale ones included. */
  readonly drafted: number;
  /** Of those, the ones that a verification accepted. */
  readonly accepted: number;
  /** Of those, the ones that no verification accepted. */
  readonly wastedDrafts: number;
  /** Answers of the verify lane that were committed; a step of `greedy` is one. */
  readonly verifications: number;
  readonly tokensPerVerification: number | null;
  /** Accepted of the drafted tokens that were verified. */
  readonly acceptance: number | null;
  /**
   * Idle and busy add up to the run: from its start to its last commit, or the last operation's end if that is later.
   */
  readonly lanes: readonly { readonly name: string; readonly busyMs: number; readonly idleMs: number }[];
  /** How long all lanes were busy at once, where there is more than one. */
  readonly overlapMs: number;
}

/** Adds a trace up. */
export function summarize(events: readonly TraceEvent[]): Summary {
  const start = events.find((event) => event.kind === "start");
  if (!start) throw new RangeError("Cannot summarize a trace: it has no start event");
  const operations = events.filter((event) => event.kind === "operation");
  const commits = events.filter((event) => event.kind === "commit");
  const draft = start.lanes[1]?.name;

  const tokens = sum(commits.map((commit) => commit.tokens.length));
  // Where the draft lane verifies, it catches up on committed text: only the last choice is a draft.
  const drafted = sum(
    operations.filter(({ lane }) => lane === draft).map(({ operation, chosen }) =>
      operation === "verify" ? 1 : chosen.length
    ),
  );
  const verifications = operations.filter(({ accepted }) => accepted !== undefined);
  const accepted = sum(verifications.map((verification) => verification.accepted!));
  const verified = sum(verifications.map((verification) => verification.tokens.length - 1));
  const firstMs = commits[0]?.ms;
  const lastMs = commits.at(-1)?.ms;
  const endMs = operations.reduce((ms, operation) => Math.max(ms, operation.endMs), lastMs ?? start.ms);

  const busy = start.lanes.map(({ name }) =>
    union(operations.filter(({ lane }) => lane === name).map(({ startMs, endMs }) => [startMs, endMs]))
  );
  return {
    promptTokens: start.promptTokens,
    tokens,
    ttftMs: firstMs === undefined ? null : firstMs - start.ms,
    msPerToken: firstMs === undefined || lastMs === undefined ? null : ratio(lastMs - firstMs, tokens - 1),
    drafted,
    accepted,
    wastedDrafts: drafted - accepted,
    verifications: verifications.length,
    tokensPerVerification: ratio(tokens, verifications.length),
    acceptance: ratio(accepted, verified),
    lanes: start.lanes.map(({ name }, lane) => {
      const busyMs = total(busy[lane]!);
      return { name, busyMs, idleMs: endMs - start.ms - busyMs };
    }),
    overlapMs: busy.length > 1 ? total(busy.reduce(intersection)) : 0,
  };
}

type Interval = readonly [startMs: number, endMs: number];

/** The times that lie in any of the intervals: in order, and apart from each other. */
function union(intervals: readonly Interval[]): Interval[] {
  const merged: [number, number][] = [];
  for (const [startMs, endMs] of intervals.toSorted((a, b) => a[0] - b[0])) {
    const last = merged.at(-1);
    if (last && startMs <= last[1]) last[1] = Math.max(last[1], endMs);
    else merged.push([startMs, endMs]);
  }
  return merged;
}

/** The times that lie in both; each list is in order, and its intervals apart. */
function intersection(a: readonly Interval[], b: readonly Interval[]): Interval[] {
  const common: Interval[] = [];
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    const [aStart, aEnd] = a[i]!;
    const [bStart, bEnd] = b[j]!;
    const startMs = Math.max(aStart, bStart);
    const endMs = Math.min(aEnd, bEnd);
    if (startMs < endMs) common.push([startMs, endMs]);
    if (aEnd < bEnd) i++;
    else j++;
  }
  return common;
}

function total(intervals: readonly Interval[]): number {
  return sum(intervals.map(([startMs, endMs]) => endMs - startMs));
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}

function ratio(a: number, b: number): number | null {
  return b > 0 ? a / b : null;
}
