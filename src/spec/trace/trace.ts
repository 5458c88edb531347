import type { CostFigures, Operation, Start, TraceEvent } from "./trace-events.ts";
import type { Clock } from "../clock.ts";
import { type OneRowTimes, Summarizer, type Summary } from "./summary.ts";
import type { CommittedToken } from "../token-log.ts";

/**
 * The events of a run, in the order in which the host saw them: as a list, and told one by one to `onEvent` once
 * nothing more will become of each (in that order too: an event waits for an operation before it). Without the list
 * nothing of a long run is kept but figures.
 */
export class Trace {
  /** The list; empty where the events are not kept. */
  readonly events: TraceEvent[] = [];
  readonly #clock: Clock;
  readonly #keeps: boolean;
  readonly #onEvent: ((event: TraceEvent) => void) | undefined;
  readonly #summarizer = new Summarizer();
  readonly #contents = new CacheContents();
  /** The events that are not told yet; the first one is an operation of which something may still become. */
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

  /** The time in ms, on the events' clock. */
  get now(): number {
    return this.#clock.now();
  }

  /** The figures of the events that have been told. Throws a RangeError before the start. */
  get summary(): Summary {
    return this.#summarizer.summary;
  }

  /** The times of one-row answers among the events that have been told. */
  get oneRow(): OneRowTimes {
    return this.#summarizer.oneRow;
  }

  /** As the function of that name tells it from the events so far. */
  cachedLength(lane: string, text: readonly number[]): number {
    return this.#contents.length(lane, text);
  }

  start(promptTokens: number, lanes: Start["lanes"], costs?: CostFigures): void {
    this.#add({ kind: "start", ms: this.now, promptTokens, lanes, ...(costs && { costs }) });
  }

  /** Keeps the operation itself: `accepted` and `stale` are set on it later, until `settle`. */
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

/** The tokens that the lanes' KV caches hold, by position. Those from before the run are the prompt's. */
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

/** Stands for a token that a cache held before the run: it is the prompt's in that place. */
const PROMPT = -1;
