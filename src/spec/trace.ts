import type { Clock } from "./clock.ts";
import type { CostFigures } from "./costs.ts";
import type { CommittedToken } from "./token-log.ts";

/** A run begins. */
export interface Start {
  readonly kind: "start";
  readonly ms: number;
  readonly promptTokens: number;
  /**
   * The verify lane, then the draft lane if the strategy has one; `cached` positions of the prompt were in its cache
   * already.
   */
  readonly lanes: readonly { readonly name: string; readonly cached: number }[];
  /** What was known of the lanes' times, by the calibration and the runs before; none where nothing drafts. */
  readonly costs?: CostFigures;
}

/** A lane's device has done with a message. */
export interface Operation {
  readonly kind: "operation";
  readonly lane: string;
  readonly operation: "prefill" | "verify" | "decode" | "keep";
  /** How many rollbacks there had been when the message was sent. */
  readonly epoch: number;
  /** Of the first token fed. */
  readonly position: number;
  /** Where the branch parts that it fed; none where it fed the trunk. */
  readonly fork?: number;
  readonly tokens: readonly number[];
  readonly chosen: readonly number[];
  /** For each chosen token how sure the model was of it, and which would have been its second choice; see LaneResult. */
  readonly confidences?: readonly number[];
  readonly seconds?: readonly number[];
  readonly startMs: number;
  readonly endMs: number;
  /** Of the verify lane, once its answer was committed: how many of the fed drafted tokens were. */
  accepted?: number;
  /** Whether nothing of what it chose was of use: drafted on a rejected branch, or chosen after the run's end. */
  stale: boolean;
}

/** Tokens were committed. */
export interface Commit {
  readonly kind: "commit";
  readonly ms: number;
  readonly tokens: readonly CommittedToken[];
}

/** The draft lane was sent back below what it had been fed. */
export interface Rollback {
  readonly kind: "rollback";
  readonly ms: number;
  /** Of the first token to be fed anew. */
  readonly position: number;
}

/** An event of a run; all figures of a run follow from the list of them. */
export type TraceEvent = Start | Operation | Commit | Rollback;

/** What happened in a run, in the order in which the host saw it. */
export class Trace {
  readonly events: TraceEvent[] = [];
  readonly #clock: Clock;
  #epoch = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many rollbacks there have been. */
  get epoch(): number {
    return this.#epoch;
  }

  /** In ms, on the events' clock. */
  get now(): number {
    return this.#clock.now();
  }

  start(promptTokens: number, lanes: Start["lanes"], costs?: CostFigures): void {
    this.events.push({ kind: "start", ms: this.#clock.now(), promptTokens, lanes, ...(costs && { costs }) });
  }

  /** Keeps the operation itself: what becomes of its answer is noted on it later. */
  operation(operation: Operation): void {
    this.events.push(operation);
  }

  commit(tokens: readonly CommittedToken[]): void {
    this.events.push({ kind: "commit", ms: this.#clock.now(), tokens });
  }

  rollback(position: number): void {
    this.#epoch++;
    this.events.push({ kind: "rollback", ms: this.#clock.now(), position });
  }
}

/**
 * How many of `text` the lane's cache holds after the run: the position from which a next run on this lane, whose
 * prompt begins with `text`, has to feed. The text's last token is never counted: one strategy has fed it and another
 * not, and the next prefill must begin at the same position after all of them.
 */
export function cachedLength(events: readonly TraceEvent[], lane: string, text: readonly number[]): number {
  let cached = 0;
  for (const event of events) {
    if (event.kind === "start") cached = event.lanes.find(({ name }) => name === lane)?.cached ?? 0;
    if (event.kind !== "operation" || event.lane !== lane || event.fork !== undefined || event.position > cached) {
      continue;
    }
    cached = event.position;
    for (const token of event.tokens) {
      if (token !== text[cached]) break;
      cached++;
    }
  }
  return Math.min(cached, text.length - 1);
}
