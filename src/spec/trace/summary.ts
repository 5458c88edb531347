import { ratio } from "../../util/numbers.ts";
import type { Operation, Start, TraceEvent } from "./trace-events.ts";

/** The figures of a run, from its trace. Times are in ms; null where there is nothing to divide by. */
export interface Summary {
  /** Tokens of the prompt. */
  readonly promptTokens: number;
  /** Committed after the prompt. */
  readonly tokens: number;
  /** From the run's start, prefill included, to the first committed token. */
  readonly ttftMs: number | null;
  /** From the first committed token to the last, for each token after the first. */
  readonly msPerToken: number | null;
  /** Tokens that the draft lane chose as drafts, stale ones included, and those looked up that were verified. */
  readonly drafted: number;
  /** The drafted tokens that a verification accepted. */
  readonly accepted: number;
  /** The drafted tokens that no verification accepted. */
  readonly wastedDrafts: number;
  /** Answers of the verify lane that were committed; a step of `greedy` is one. */
  readonly verifications: number;
  /** Committed tokens over verifications. */
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

/** The verify lane's times, in ms, of the committed answers to one row, as greedy's are. */
export interface OneRowTimes {
  readonly count: number;
  /** Infinity where there is none. */
  readonly leastMs: number;
  readonly sumMs: number;
}

/** Adds a trace up. Throws a RangeError where it has no start. */
export function summarize(events: readonly TraceEvent[]): Summary {
  const summarizer = new Summarizer();
  for (const event of events) summarizer.add(event);
  return summarizer.summary;
}

/**
 * Adds a trace up event by event, each as it is when nothing more will become of it; a lane's operations come in their
 * order.
 */
export class Summarizer {
  #start: Start | undefined;
  #busy: BusyTime[] = [];
  #overlapMs = 0;
  #endMs = 0;
  #firstMs: number | undefined;
  #lastMs: number | undefined;
  #tokens = 0;
  #drafted = 0;
  #verifications = 0;
  #accepted = 0;
  #verified = 0;
  #oneRow: OneRowTimes = { count: 0, leastMs: Infinity, sumMs: 0 };

  get oneRow(): OneRowTimes {
    return this.#oneRow;
  }

  add(event: TraceEvent): void {
    if (event.kind === "start") {
      this.#start = event;
      this.#busy = event.lanes.map(() => new BusyTime());
      this.#endMs = event.ms;
    } else if (event.kind === "commit") {
      this.#tokens += event.tokens.length;
      this.#firstMs ??= event.ms;
      this.#lastMs = event.ms;
      this.#endMs = Math.max(this.#endMs, event.ms);
    } else if (event.kind === "operation") this.#addOperation(event);
  }

  #addOperation({ lane, operation, tokens, chosen, accepted, lookedUp = 0, startMs, endMs }: Operation): void {
    const at = this.#start!.lanes.findIndex(({ name }) => name === lane);
    // Where the draft lane verifies, it catches up on committed text: only the last choice is a draft.
    if (at === 1) this.#drafted += operation === "verify" ? 1 : chosen.length;
    if (accepted !== undefined) {
      this.#verifications++;
      this.#drafted += lookedUp;
      this.#accepted += accepted;
      this.#verified += tokens.length - 1;
      if (tokens.length === 1) this.#addOneRow(endMs - startMs);
    }
    this.#endMs = Math.max(this.#endMs, endMs);
    this.#overlapMs += this.#busy[at]!.add(startMs, endMs, this.#busy[1 - at]);
  }

  #addOneRow(ms: number): void {
    const { count, leastMs, sumMs } = this.#oneRow;
    this.#oneRow = { count: count + 1, leastMs: Math.min(leastMs, ms), sumMs: sumMs + ms };
  }

  /** The figures of the events that were added so far. Throws a RangeError where there is no start among them. */
  get summary(): Summary {
    const start = this.#start;
    if (!start) throw new RangeError("Cannot summarize a trace: it has no start event");
    const [firstMs, lastMs] = [this.#firstMs, this.#lastMs];
    return {
      promptTokens: start.promptTokens,
      tokens: this.#tokens,
      ttftMs: firstMs === undefined ? null : firstMs - start.ms,
      msPerToken: firstMs === undefined || lastMs === undefined ? null : ratio(lastMs - firstMs, this.#tokens - 1),
      drafted: this.#drafted,
      accepted: this.#accepted,
      wastedDrafts: this.#drafted - this.#accepted,
      verifications: this.#verifications,
      tokensPerVerification: ratio(this.#tokens, this.#verifications),
      acceptance: ratio(this.#accepted, this.#verified),
      lanes: start.lanes.map(({ name }, lane) => {
        const { busyMs } = this.#busy[lane]!;
        return { name, busyMs, idleMs: this.#endMs - start.ms - busyMs };
      }),
      overlapMs: this.#overlapMs,
    };
  }
}

/**
 * When a lane was busy: intervals apart from each other, in order. Past ones are kept as long as the other lane may
 * still overlap with them.
 */
class BusyTime {
  busyMs = 0;
  #endMs = -Infinity;
  readonly #recent: { readonly startMs: number; readonly endMs: number }[] = [];

  /** Adds an interval, and returns for how much of its new part both lanes were busy. */
  add(fromMs: number, endMs: number, other: BusyTime | undefined): number {
    const startMs = Math.max(fromMs, this.#endMs);
    if (endMs <= startMs) return 0;
    this.busyMs += endMs - startMs;
    this.#endMs = endMs;
    this.#recent.push({ startMs, endMs });
    if (!other) {
      this.#recent.length = 0;
      return 0;
    }
    while (this.#recent.length > 0 && this.#recent[0]!.endMs <= other.#endMs) this.#recent.shift();
    const shared = other.#recent.map((one) => Math.min(one.endMs, endMs) - Math.max(one.startMs, startMs));
    while (other.#recent.length > 0 && other.#recent[0]!.endMs <= endMs) other.#recent.shift();
    return shared.reduce((sum, ms) => sum + Math.max(0, ms), 0);
  }
}
