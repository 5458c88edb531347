import type { Clock } from "./clock.ts";
import type { CostFigures } from "./costs.ts";
import { type OneRowTimes, Summarizer, type Summary } from "./summary.ts";
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

/**
 * What happened in a run, in the order in which the host saw it: as a list, and told one by one to `onEvent` once nothing more will become of each (in
 * that order too: an event waits for an operation before it). Without the list nothing of a long run is kept but figures.
 */
export class Trace {
  /** Empty where they are not kept. */
  readonly events: TraceEvent[] = [];
  readonly #clock: Clock;
  readonly #keeps: boolean;
  readonly #onEvent: ((event: TraceEvent) => void) | undefined;
  readonly #summarizer = new Summarizer();
  readonly #contents = new CacheContents();
  /** Not told yet; the first one is an operation of which something may still become. */
  readonly #untold: TraceEvent[] = [];
  readonly #open = new Set<TraceEvent>();
  #epoch = 0;

  constructor(clock: Clock, keeps = true, onEvent?: (event: TraceEvent) => void) {
    this.#clock = clock;
    this.#keeps = keeps;
    this.#onEvent = onEvent;
  }

  /** How many rollbacks there have been. */
  get epoch(): number {
    return this.#epoch;
  }

  /** In ms, on the events' clock. */
  get now(): number {
    return this.#clock.now();
  }

  /** Of what has been told. Throws a RangeError before the start. */
  get summary(): Summary {
    return this.#summarizer.summary;
  }

  /** Of what has been told. */
  get oneRow(): OneRowTimes {
    return this.#summarizer.oneRow;
  }

  /** As the function of that name. */
  cachedLength(lane: string, text: readonly number[]): number {
    return this.#contents.length(lane, text);
  }

  start(promptTokens: number, lanes: Start["lanes"], costs?: CostFigures): void {
    this.#add({ kind: "start", ms: this.now, promptTokens, lanes, ...(costs && { costs }) });
  }

  /** Keeps the operation itself: what becomes of its answer is noted on it later, until `settle`. */
  operation(operation: Operation): void {
    if (operation.chosen.length > 0) this.#open.add(operation);
    this.#add(operation);
  }

  /** Nothing more will become of the operation. */
  settle(operation: Operation): void {
    this.#open.delete(operation);
    this.#tell();
  }

  commit(tokens: readonly CommittedToken[]): void {
    this.#add({ kind: "commit", ms: this.now, tokens });
  }

  rollback(position: number): void {
    this.#epoch++;
    this.#add({ kind: "rollback", ms: this.now, position });
  }

  /** Nothing more will become of anything. */
  end(): void {
    this.#open.clear();
    this.#tell();
  }

  #add(event: TraceEvent): void {
    if (this.#keeps) this.events.push(event);
    this.#contents.add(event);
    this.#untold.push(event);
    this.#tell();
  }

  #tell(): void {
    while (this.#untold.length > 0 && !this.#open.has(this.#untold[0]!)) {
      const event = this.#untold.shift()!;
      this.#summarizer.add(event);
      this.#onEvent?.(event);
    }
  }
}

/**
 * How many of `text` the lane's cache holds after the run: the position from which a next run on this lane, whose
 * prompt begins with `text`, has to feed. The text's last token is never counted: one strategy has fed it and another
 * not, and the next prefill must begin at the same position after all of them.
 */
export function cachedLength(events: readonly TraceEvent[], lane: string, text: readonly number[]): number {
  const contents = new CacheContents();
  for (const event of events) contents.add(event);
  return contents.length(lane, text);
}

/** The tokens that the lanes' caches hold, by position. What they held when the run began is the prompt's. */
class CacheContents {
  readonly #texts = new Map<string, (number | typeof PROMPT)[]>();

  add(event: TraceEvent): void {
    if (event.kind === "start") {
      for (const { name, cached } of event.lanes) this.#texts.set(name, Array(cached).fill(PROMPT));
    } else if (event.kind === "operation" && event.fork === undefined) {
      const text = this.#texts.get(event.lane);
      if (!text || event.position > text.length) return;
      text.length = event.position;
      for (const token of event.tokens) text.push(token);
    }
  }

  length(lane: string, text: readonly number[]): number {
    const held = this.#texts.get(lane) ?? [];
    const end = Math.min(held.length, text.length - 1);
    let length = 0;
    while (length < end && (held[length] === PROMPT || held[length] === text[length])) length++;
    return length;
  }
}

const PROMPT = -1;
