import { countAccepted, type Lane, LaneLostError, type LaneResult, NO_TOKEN, NoNumbersError } from "./lane.ts";
import type { Trace } from "../trace/trace.ts";
import type { Operation } from "../trace/trace-events.ts";

/**
 * A lane whose operations are written to a trace. No promise that it gives is ever an unhandled rejection: an error
 * that nobody awaits is kept, and `drain` throws it.
 */
export class TracedLane {
  readonly #lane: Lane;
  readonly #trace: Trace;
  readonly #onLost: ((error: LaneLostError | NoNumbersError) => void) | undefined;
  #lost = false;
  #failure: unknown;
  /** The newest message, once it is in the trace; never rejects. */
  #newest: Promise<unknown> = Promise.resolve();
  /** The last message settled: the input of a `decode` without a token, or of a `verifyNext`, follows from it. */
  #last: Operation | undefined;
  /** When the device was busy, newest last. */
  readonly #busy: Work[] = [];
  /** The messages in flight, oldest first: when they were sent. */
  readonly #inFlight: Pick<Work, "operation" | "startMs">[] = [];
  #turnaroundMs: number | undefined;

  /**
   * With `onLost`, a lost device is told to it once and is no failure; the messages' promises reject all the same. So
   * do they, and so is it told, where the lane answers NO_TOKEN.
   */
  constructor(lane: Lane, trace: Trace, onLost?: (error: LaneLostError | NoNumbersError) => void) {
    this.#lane = lane;
    this.#trace = trace;
    this.#onLost = onLost;
  }

  get stepsAhead(): number {
    return this.#lane.stepsAhead;
  }

  get branchCapacity(): number {
    return this.#lane.branchCapacity;
  }

  /**
   * The time that the last message took beyond the device's, to get there and to be known of, in ms; `undefined` if the
   * lane was not idle when the message was sent.
   */
  get turnaroundMs(): number | undefined {
    return this.#turnaroundMs;
  }

  get lost(): boolean {
    return this.#lost;
  }

  prefill(tokens: readonly number[], position: number, onFed?: (count: number) => void): Promise<Operation> {
    return this.#send("prefill", position, this.#lane.prefill(tokens, position, onFed), () => tokens);
  }

  verify(tokens: readonly number[], position: number): Promise<Operation> {
    return this.#send("verify", position, this.#lane.verify(tokens, position), () => tokens);
  }

  verifyNext(drafted: readonly number[], position: number): Promise<Operation> {
    const fed = () => [this.#last!.chosen[countAccepted(this.#last!.tokens, this.#last!.chosen)]!, ...drafted];
    return this.#send("verify", null, this.#lane.verifyNext(drafted, position), fed);
  }

  decode(token: number | null, position: number, steps: number, fork?: number): Promise<Operation> {
    const message = this.#lane.decode(token, position, steps, fork);
    return this.#send(
      "decode",
      position,
      message,
      (chosen) => [token ?? this.#last!.chosen.at(-1)!, ...chosen.slice(0, -1)],
      fork,
    );
  }

  /** `tokens` tells, once that is known, which ones of the branch are kept. */
  keep(fork: number, count: number, tokens: () => readonly number[]): Promise<Operation> {
    return this.#send("keep", fork, this.#lane.keep(fork, count), tokens);
  }

  /**
   * For what share of that time, the end of which is just known, the device was busy; `undefined` where it was fed a
   * prompt, or text that it had missed, in that time: a lane that catches up takes more from another one, on the same
   * cores, than one that decodes. A message in flight counts from when it was sent, or from when the one before it
   * ended if that is later.
   */
  busyShare(startMs: number, endMs: number): number | undefined {
    const [oldest] = this.#inFlight;
    const current = oldest &&
      { ...oldest, startMs: Math.max(oldest.startMs, this.#busy.at(-1)?.endMs ?? 0), endMs };
    let busyMs = 0;
    for (const work of current ? [...this.#busy, current] : this.#busy) {
      const ms = Math.max(0, Math.min(work.endMs, endMs) - Math.max(work.startMs, startMs));
      if (ms > 0 && work.operation === "prefill") return undefined;
      busyMs += ms;
    }
    return endMs > startMs ? Math.min(1, busyMs / (endMs - startMs)) : 0;
  }

  /**
   * Settles when the lane's queue is empty and the trace complete. Throws the lane's first error, awaited before or
   * not.
   */
  async drain(): Promise<void> {
    await this.#lane.drain();
    await this.#newest;
    if (this.#failure !== undefined) throw this.#failure;
  }

  #send(
    operation: Operation["operation"],
    at: number | null,
    message: Promise<LaneResult>,
    fed: (chosen: readonly number[]) => readonly number[],
    fork?: number,
  ): Promise<Operation> {
    const { epoch, now } = this.#trace;
    const wasIdle = this.#inFlight.length === 0;
    this.#inFlight.push({ operation, startMs: now });
    const traced = message.finally(() => this.#inFlight.shift()).then(({ startMs, endMs, ...answer }) => {
      const { tokens: chosen, confidences, runnersUp, logprobs } = answer;
      if (this.#onLost && chosen.includes(NO_TOKEN)) throw new NoNumbersError("Cannot draft", this.#lane.name);
      this.#turnaroundMs = wasIdle ? this.#trace.now - now - (endMs - startMs) : undefined;
      this.#busy.push({ operation, startMs, endMs });
      if (this.#busy.length > REMEMBERED) this.#busy.shift();
      const last = this.#last;
      const position = at ?? last!.position + countAccepted(last!.tokens, last!.chosen) + 1;
      const entry: Operation = {
        kind: "operation",
        lane: this.#lane.name,
        operation,
        epoch,
        position,
        ...(fork !== undefined && { fork }),
        tokens: fed(chosen),
        chosen,
        ...(chosen.length > 0 && { confidences, runnersUp }),
        ...(logprobs && { logprobs }),
        startMs,
        endMs,
        // Until someone makes use of the answer.
        stale: operation !== "prefill",
      };
      this.#last = entry;
      this.#trace.operation(entry);
      return entry;
    });
    this.#newest = traced.catch((error: unknown) => {
      const isLoss = error instanceof LaneLostError || error instanceof NoNumbersError;
      if (!isLoss || !this.#onLost) this.#failure ??= error;
      else if (!this.#lost) {
        this.#lost = true;
        this.#onLost(error);
      }
    });
    return traced;
  }
}

/** What the device did, or does, and when, in ms. */
type Work = Pick<Operation, "operation" | "startMs" | "endMs">;

/** The last operations of which it is known when they ran: more than the draft lane makes in one verification. */
const REMEMBERED = 64;

/** Drains the lanes and ends the trace, then throws the first error that any of the lanes met. */
export async function drain(trace: Trace, ...lanes: readonly TracedLane[]): Promise<void> {
  const results = await Promise.allSettled(lanes.map((lane) => lane.drain()));
  trace.end();
  for (const result of results) if (result.status === "rejected") throw result.reason;
}
