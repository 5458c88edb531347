import { ALL_ROWS, Costs } from "../spec/schedule/costs.ts";
import type { TraceEvent } from "../spec/trace/trace-events.ts";
import { groupBy } from "../util/group-by.ts";
import { isRecord } from "../util/is-record.ts";
import { median, sum } from "../util/numbers.ts";
import type { LaneTimes, SimulatedHardware } from "./simulate.ts";

/** The traces in a record of `generate` or in a benchmark's results. Throws a TypeError where `value` is neither. */
export function tracesOf(value: unknown, where: string): TraceEvent[][] {
  const isTrace = (events: unknown): events is TraceEvent[] =>
    Array.isArray(events) && events.every((event) => typeof event?.kind === "string");
  const record = value as { runs?: unknown; events?: unknown } | null;
  const traces = Array.isArray(record?.runs) ? record.runs.map((run) => run?.events) : [record?.events];
  if (traces.length > 0 && traces.every(isTrace)) return traces;
  throw new TypeError(
    `${where}: it has no traces; give what generate --output-file or benchmark --output-file wrote`,
  );
}

/**
 * The lanes' times in recorded runs, with both lanes at work. How a time depends on rows is told by each size's median
 * over all runs. The scale is set so that the passes of `of` (by default all runs) take as long in total as they did:
 * an operation is held up now and then, so the mean lies above the median. Throws a RangeError where the runs say too
 * little.
 */
export function recordedTimes(
  traces: readonly (readonly TraceEvent[])[],
  where: string,
  of: readonly (readonly TraceEvent[])[] = traces,
): SimulatedHardware {
  const { verifies, steps, prefillMs } = operationsOf(traces);
  const costs = new Costs();
  for (const sameSize of groupBy(verifies, ({ rows }) => rows)) {
    costs.observeVerify(sameSize[0]!.rows, median(sameSize.map(({ ms }) => ms))!, 1);
  }
  const [verifyPrefillMs = 0, draftPrefillMs = 0] = prefillMs.map(median);
  const draftMs = median(steps.map(({ ms }) => ms));
  const usual = timesOf(draftMs, (rows) => costs.verifyMs(rows), verifyPrefillMs, draftPrefillMs, where);
  const counted = operationsOf(of);
  return { verify: inAll(usual.verify, counted.verifies), draft: inAll(usual.draft, counted.steps) };
}

interface Pass {
  readonly rows: number;
  readonly ms: number;
}

/** Scales a lane's times by rows so that these passes take as long in total as they took. */
function inAll(lane: LaneTimes, passes: readonly Pass[]): LaneTimes {
  const tookMs = sum(passes.map(({ ms }) => ms));
  const usualMs = sum(passes.map(({ rows }) => lane.passMs[rows]!));
  return usualMs > 0 ? { ...lane, passMs: lane.passMs.map((ms) => ms * tookMs / usualMs) } : lane;
}

/** The verifications, the draft lane's steps, and either lane's prefill times for each token, in ms. */
function operationsOf(traces: readonly (readonly TraceEvent[])[]) {
  const verifies: Pass[] = [];
  const steps: Pass[] = [];
  const prefillMs: [number[], number[]] = [[], []];
  for (const events of traces) {
    const lanes = events.find((event) => event.kind === "start")?.lanes.map(({ name }) => name);
    for (const event of events) {
      if (event.kind !== "operation") continue;
      const ms = event.endMs - event.startMs;
      if (event.operation === "prefill") prefillMs[lanes!.indexOf(event.lane)]!.push(ms / event.tokens.length);
      if (event.accepted !== undefined) verifies.push({ rows: event.tokens.length, ms });
      else if (event.lane === lanes?.[1] && event.operation === "decode") {
        for (const _ of event.chosen) steps.push({ rows: 1, ms: ms / event.chosen.length });
      }
    }
  }
  return { verifies, steps, prefillMs };
}

/**
 * The lanes' times in the JSON of `deno task bench speed --json`, or null where `value` is no such JSON. Throws a
 * RangeError where the draft step or the verification of one row is missing.
 */
export function benchTimes(value: unknown, where: string): SimulatedHardware | null {
  const speed = isRecord(value) ? value.speed : undefined;
  if (!isRecord(speed)) return null;
  const costs = new Costs();
  const figureOf = (name: string) => {
    const figure = speed[name];
    const ms = isRecord(figure) ? figure.median : undefined;
    return typeof ms === "number" && ms > 0 ? ms : undefined;
  };
  for (const rows of ALL_ROWS) {
    const ms = figureOf(`verify${rows}Ms`);
    if (ms !== undefined) costs.observeVerify(rows, ms, 1);
  }
  const prefillMs = figureOf("prefillMs") ?? 0;
  return timesOf(figureOf("draftMs"), (rows) => costs.verifyMs(rows), prefillMs, prefillMs, where);
}

function timesOf(
  draftMs: number | undefined,
  verifyMs: (rows: number) => number | undefined,
  verifyPrefillMs: number,
  draftPrefillMs: number,
  where: string,
): SimulatedHardware {
  if (draftMs === undefined || verifyMs(1) === undefined) {
    throw new RangeError(`${where}: it has no draft steps, or verifications of one size alone; record a run of amusd`);
  }
  const lane = (passMs: readonly number[], prefillMs: number): LaneTimes => ({ passMs, prefillMs, latencyMs: 0 });
  return {
    verify: lane([0, ...ALL_ROWS.map((rows) => verifyMs(rows)!)], verifyPrefillMs),
    // A pass of a few rows, by which the draft lane catches up, takes about as long as a step.
    draft: lane([0, ...ALL_ROWS.map(() => draftMs)], draftPrefillMs),
  };
}
