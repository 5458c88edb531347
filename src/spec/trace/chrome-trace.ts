import type { Operation, TraceEvent } from "./trace-events.ts";

/**
 * An entry of Chrome's trace event format, which opens in Perfetto. Times are in microseconds. The names are those of
 * Google's "Trace Event Format".
 */
export interface ChromeEvent {
  /** The entry's text. */
  readonly name: string;
  /** The category: the lane, or the kind of an arrow. */
  readonly cat?: string;
  /** X: an operation; i: an instant; s and f: an arrow's two ends; M: metadata. */
  readonly ph: "X" | "i" | "s" | "f" | "M";
  /** The process: always 1. */
  readonly pid: number;
  /** The track: 0 is the host, then come the lanes. */
  readonly tid: number;
  /** When the entry begins. */
  readonly ts?: number;
  /** How long an operation takes. */
  readonly dur?: number;
  /** Joins an arrow's two ends. */
  readonly id?: number;
  /** An arrow ends at the slice that encloses its end. */
  readonly bp?: "e";
  /** An instant belongs to its track alone. */
  readonly s?: "t";
  /** All else that is known of the event. */
  readonly args?: Record<string, unknown>;
}

const PID = 1;
const HOST_TID = 0;

/** A run in Chrome's trace event format. */
export function chromeTrace(events: readonly TraceEvent[]): { traceEvents: ChromeEvent[]; displayTimeUnit: "ms" } {
  const trace = new ChromeTrace();
  return { traceEvents: [trace.host, ...events.flatMap((event) => trace.add(event))], displayTimeUnit: "ms" };
}

/**
 * Turns a run, event by event, into Chrome's trace event format: a track for the host's commits, one for each lane, and
 * an arrow from each verification that rejected something to the first operation after the rollback.
 */
export class ChromeTrace {
  /** Names the host's track. */
  readonly host: ChromeEvent = threadName("host", HOST_TID);
  #startMs = 0;
  #lanes: readonly string[] = [];
  #epoch = 0;
  /** The last verification that committed something. */
  #verification: Operation | undefined;
  /** The verification that caused the last rollback, and its epoch, until the draft lane has restarted. */
  #rollback: { readonly cause: Operation; readonly epoch: number } | undefined;

  /** The event's entries. */
  add(event: TraceEvent): ChromeEvent[] {
    if (event.kind === "start") {
      this.#startMs = event.ms;
      this.#lanes = event.lanes.map(({ name }) => name);
      const names = this.#lanes.map((name) => threadName(name, this.#tid(name)));
      return event.costs ? [...names, this.#instant("costs", event.ms, { ...event.costs })] : names;
    }
    if (event.kind === "commit") return [this.#instant("commit", event.ms, { tokens: event.tokens })];
    if (event.kind === "rollback") {
      this.#epoch++;
      this.#rollback = this.#verification && { cause: this.#verification, epoch: this.#epoch };
      return [];
    }
    const { kind: _, operation: name, lane, startMs, endMs, ...args } = event;
    const ts = this.#microseconds(startMs);
    const dur = (endMs - startMs) * 1000;
    const entries: ChromeEvent[] = [{ name, cat: lane, ph: "X", pid: PID, tid: this.#tid(lane), ts, dur, args }];
    if (event.accepted !== undefined) this.#verification = event;
    if (lane === this.#lanes[1] && this.#rollback?.epoch === event.epoch) {
      entries.push(...this.#arrow(this.#rollback.cause, event));
      this.#rollback = undefined;
    }
    return entries;
  }

  #instant(name: string, ms: number, args: Record<string, unknown>): ChromeEvent {
    return { name, ph: "i", s: "t", pid: PID, tid: HOST_TID, ts: this.#microseconds(ms), args };
  }

  #arrow(from: Operation, to: Operation): ChromeEvent[] {
    const common = { name: "rollback", cat: "rollback", pid: PID, id: to.epoch };
    return [
      { ...common, ph: "s", tid: this.#tid(from.lane), ts: this.#microseconds(from.endMs) },
      { ...common, ph: "f", bp: "e", tid: this.#tid(to.lane), ts: this.#microseconds(to.startMs) },
    ];
  }

  #microseconds(ms: number): number {
    return (ms - this.#startMs) * 1000;
  }

  #tid(lane: string): number {
    return this.#lanes.indexOf(lane) + 1;
  }
}

function threadName(name: string, tid: number): ChromeEvent {
  return { name: "thread_name", ph: "M", pid: PID, tid, args: { name } };
}
