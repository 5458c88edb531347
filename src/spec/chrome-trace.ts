import type { Operation, TraceEvent } from "./trace.ts";

/** An entry of Chrome's trace event format (opens in Perfetto). Times are in microseconds. */
export interface ChromeEvent {
  readonly name: string;
  readonly cat?: string;
  /** X: an operation; i: an instant; s and f: an arrow's two ends; M: metadata. */
  readonly ph: "X" | "i" | "s" | "f" | "M";
  readonly pid: number;
  readonly tid: number;
  readonly ts?: number;
  readonly dur?: number;
  readonly id?: number;
  readonly bp?: "e";
  readonly s?: "t";
  readonly args?: Record<string, unknown>;
}

const PID = 1;
const HOST_TID = 0;

/**
 * A run in Chrome's trace event format: a track for the host's commits, one for each lane, and an arrow from each
 * verification that rejected something to the first operation after the rollback.
 */
export function chromeTrace(events: readonly TraceEvent[]): { traceEvents: ChromeEvent[]; displayTimeUnit: "ms" } {
  const start = events.find((event) => event.kind === "start");
  const startMs = start?.ms ?? 0;
  const lanes = start?.lanes.map(({ name }) => name) ?? [];
  const [verify, draft] = lanes;
  const operations = events.filter((event) => event.kind === "operation");
  const microseconds = (ms: number) => (ms - startMs) * 1000;
  const tid = (lane: string) => lanes.indexOf(lane) + 1;

  const traceEvents: ChromeEvent[] = ["host", ...lanes].map((name, tid) => (
    { name: "thread_name", ph: "M", pid: PID, tid, args: { name } }
  ));
  const arrow = (from: Operation, to: Operation) => {
    const common = { name: "rollback", cat: "rollback", pid: PID, id: to.epoch };
    traceEvents.push(
      { ...common, ph: "s", tid: tid(from.lane), ts: microseconds(from.endMs) },
      { ...common, ph: "f", bp: "e", tid: tid(to.lane), ts: microseconds(to.startMs) },
    );
  };

  let epoch = 0;
  for (const event of events) {
    if (event.kind === "operation") {
      const { kind: _, operation: name, lane, startMs, endMs, ...args } = event;
      const ts = microseconds(startMs);
      traceEvents.push({ name, cat: lane, ph: "X", pid: PID, tid: tid(lane), ts, dur: (endMs - startMs) * 1000, args });
    } else if (event.kind === "commit") {
      const ts = microseconds(event.ms);
      traceEvents.push({
        name: "commit",
        ph: "i",
        s: "t",
        pid: PID,
        tid: HOST_TID,
        ts,
        args: { tokens: event.tokens },
      });
    } else if (event.kind === "rollback") {
      epoch++;
      const { position } = event;
      const cause = operations.find(({ lane, position: first, accepted }) =>
        lane === verify && accepted !== undefined && first < position && position <= first + accepted + 1
      );
      const restart = operations.find((operation) => operation.lane === draft && operation.epoch === epoch);
      if (cause && restart) arrow(cause, restart);
    }
  }
  return { traceEvents, displayTimeUnit: "ms" };
}
