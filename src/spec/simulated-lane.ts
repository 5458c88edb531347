import type { Clock } from "./clock.ts";
import { acceptedOf, type Lane, LaneLostError, type LaneResult, MAX_ROWS } from "./lane.ts";

/** A model and a device to simulate. */
export interface SimulatedLaneOptions {
  readonly name: string;
  readonly capacity: number;
  readonly stepsAhead: number;
  /** For each token of a prefill. */
  readonly prefillMs: number;
  /** td: one step of a `decode`. */
  readonly decodeMs: number;
  /** tv(n): one verification of n rows. */
  readonly verifyMs: (rows: number) => number;
  /** The model: the token chosen after a text. The array is the lane's own; it changes after the call. */
  readonly next: (text: readonly number[]) => number;
  /** How sure the model is of that token; 0.5 if not given. Asked right after `next`, as `second` is. */
  readonly confidence?: (text: readonly number[]) => number;
  /** Its second-best token, another than the one chosen; that one's successor if not given. */
  readonly second?: (text: readonly number[], chosen: number) => number;
  /** 0 if not given: it can't branch. */
  readonly stripCapacity?: number;
  /** From the device's end to the host's knowing. 0 if not given. */
  readonly latencyMs?: number;
  /** A factor on each operation's time. */
  readonly jitter?: () => number;
  /** When the device is lost. */
  readonly failAtMs?: number;
}

/**
 * A lane without a device: it takes its time from a clock, and chooses from the text that it was really fed, so that a
 * strategy that leaves a hole or a stale token in its cache gets wrong tokens.
 */
export class SimulatedLane implements Lane {
  readonly name: string;
  readonly capacity: number;
  readonly stepsAhead: number;
  readonly stripCapacity: number;
  readonly #clock: Clock;
  readonly #options: SimulatedLaneOptions;
  /** The "key-value cache". Changes when the device works. */
  readonly #text: number[] = [];
  /** The text's length once all messages sent are done. */
  #length = 0;
  /** The branch's tokens, as `#text` is. */
  #strip: number[] = [];
  /** Where the branch parts and how long it is once all messages sent are done, as `#length` is. */
  #branch: { readonly fork: number; readonly length: number } | undefined;
  /** Whether the last message sent chooses a token, for a `decode` without one. */
  #chooses = false;
  #chosen = 0;
  /** Whether the last message sent is a verification, for a `verifyNext`. */
  #verifies = false;
  /** Where the text ends that the last verification accepted, and what it chose behind that. */
  #accepted = { length: 0, chosen: 0 };
  #lost = false;
  #closed = false;
  /** When the device is done with all that was sent; never rejects. */
  #device: Promise<unknown> = Promise.resolve();
  /** When the host knows it; never rejects. */
  #settled: Promise<unknown> = Promise.resolve();

  constructor(clock: Clock, options: SimulatedLaneOptions) {
    this.name = options.name;
    this.capacity = options.capacity;
    this.stepsAhead = options.stepsAhead;
    this.stripCapacity = options.stripCapacity ?? 0;
    this.#clock = clock;
    this.#options = options;
  }

  /** Nothing to it: the model is given, however it chooses. */
  sample(): void {}

  // Async so that a RangeError rejects.
  async prefill(tokens: readonly number[], position: number): Promise<LaneResult> {
    this.#check("prefill", tokens.length, position, 0, Infinity);
    const ms = tokens.length * this.#options.prefillMs;
    return this.#send("prefill", tokens.length, position, ms, (i) => tokens[i]!);
  }

  // Async so that a RangeError rejects.
  async verify(tokens: readonly number[], position: number): Promise<LaneResult> {
    this.#check("verify", tokens.length, position, 1, MAX_ROWS);
    const ms = this.#options.verifyMs(tokens.length);
    return this.#send("verify", tokens.length, position, ms, (i) => tokens[i]!);
  }

  // Async so that a RangeError rejects.
  async verifyNext(drafted: readonly number[], position: number): Promise<LaneResult> {
    if (!this.#verifies) {
      throw new RangeError(`Cannot verify behind the last message of the ${this.name} lane: it is no verification`);
    }
    const rows = 1 + drafted.length;
    this.#check("verify", rows, position, 1, MAX_ROWS);
    const ms = this.#options.verifyMs(rows);
    return this.#send("verifyNext", rows, position, ms, (i) => i === 0 ? this.#accepted.chosen : drafted[i - 1]!);
  }

  // Async so that a RangeError rejects.
  async decode(token: number | null, position: number, steps: number, fork?: number): Promise<LaneResult> {
    if (fork === undefined) this.#check("decode", steps, position, 1, Infinity);
    else this.#checkBranch("decode", steps, position, fork);
    if (token === null && !this.#chooses) {
      throw new RangeError(`Cannot decode on the ${this.name} lane without a token: the message before it chose none`);
    }
    const ms = steps * this.#options.decodeMs;
    return this.#send("decode", steps, position, ms, (i) => i === 0 && token !== null ? token : this.#chosen, fork);
  }

  // Async so that a RangeError rejects.
  async keep(fork: number, count: number): Promise<LaneResult> {
    if (this.#branch?.fork !== fork || !(Number.isInteger(count) && count >= 1 && count <= this.#branch.length)) {
      throw new RangeError(
        `Cannot keep ${count} tokens from position ${fork} on the ${this.name} lane: its branch ` +
          (this.#branch ? `has ${this.#branch.length} from ${this.#branch.fork} on` : "is gone"),
      );
    }
    this.#check("keep", count, fork, 1, Infinity);
    return this.#send("keep", count, fork, 0, (i) => this.#strip[i]!);
  }

  async drain(): Promise<void> {
    let settled;
    do {
      settled = this.#settled;
      await settled;
    } while (settled !== this.#settled);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.drain();
    this.#text.length = 0;
  }

  #check(operation: string, count: number, position: number, least: number, most: number): void {
    const what = `Cannot ${operation} ${count} tokens at position ${position} on the ${this.name} lane`;
    if (this.#closed) throw new Error(`${what}: it is closed`);
    if (!(Number.isInteger(count) && count >= least && count <= most)) {
      throw new RangeError(`${what}: wanted ${least} to ${most} tokens`);
    }
    if (!(Number.isInteger(position) && position >= 0 && position <= this.#length)) {
      throw new RangeError(`${what}: its cache holds ${this.#length}, wanted a position from 0 to that`);
    }
    if (position + count > this.capacity) {
      throw new RangeError(`${what}: wanted at most its capacity of ${this.capacity}`);
    }
  }

  #checkBranch(operation: string, count: number, position: number, fork: number): void {
    const what = `Cannot ${operation} ${count} tokens at position ${position} of a branch on the ${this.name} lane`;
    if (this.#closed) throw new Error(`${what}: it is closed`);
    const from = position === fork ? Math.min(fork, this.#length) : this.#branch?.fork;
    const length = position === fork ? 0 : this.#branch?.length ?? 0;
    if (from !== fork || !(fork >= 0 && position >= fork && position - fork <= length)) {
      throw new RangeError(`${what}: there is no branch from ${fork} to there`);
    }
    if (!(Number.isInteger(count) && count >= 1 && position - fork + count <= this.stripCapacity)) {
      throw new RangeError(`${what}: wanted at most ${this.stripCapacity} on a branch`);
    }
    if (position + count > this.capacity) {
      throw new RangeError(`${what}: wanted at most its capacity of ${this.capacity}`);
    }
  }

  /** Queues a message that feeds `token(i)` for i below `count`, one after the other. */
  #send(
    operation: "prefill" | "verify" | "verifyNext" | "decode" | "keep",
    count: number,
    position: number,
    ms: number,
    token: (i: number) => number,
    fork?: number,
  ): Promise<LaneResult> {
    const { jitter, latencyMs = 0 } = this.#options;
    if (fork !== undefined) this.#branch = { fork, length: position - fork + count };
    else {
      this.#length = position + count;
      if (this.#branch && this.#branch.fork > position) this.#branch = undefined;
    }
    this.#verifies = operation === "verify" || operation === "verifyNext";
    this.#chooses = this.#verifies || operation === "decode";
    const chooses = this.#chooses;
    const done = this.#device.then(async () => {
      const startMs = this.#clock.now();
      await this.#work(ms * (jitter?.() ?? 1));
      const trunk = fork === undefined ? [] : this.#text.splice(fork, Infinity, ...this.#strip);
      this.#text.length = operation === "verifyNext" ? this.#accepted.length : position;
      const answer = this.#feed(count, chooses, token);
      if (fork !== undefined) {
        this.#strip = this.#text.splice(fork);
        this.#text.push(...trunk);
      }
      return { ...answer, startMs, endMs: this.#clock.now() };
    });
    // Errors are late as well, so that all messages settle in order.
    const settled = latencyMs > 0 ? done.finally(() => this.#clock.sleep(latencyMs)) : done;
    const ignore = () => {};
    this.#device = done.catch(ignore);
    this.#settled = settled.catch(ignore);
    return settled;
  }

  #feed(count: number, chooses: boolean, token: (i: number) => number) {
    const { next, confidence, second } = this.#options;
    const answer = { tokens: [] as number[], confidences: [] as number[], seconds: [] as number[] };
    const start = this.#text.length;
    for (let i = 0; i < count; i++) {
      this.#text.push(token(i));
      if (!chooses) continue;
      this.#chosen = next(this.#text);
      answer.tokens.push(this.#chosen);
      answer.confidences.push(confidence?.(this.#text) ?? 0.5);
      answer.seconds.push(second?.(this.#text, this.#chosen) ?? this.#chosen + 1);
    }
    const accepted = acceptedOf(this.#text.slice(start), answer.tokens);
    this.#accepted = { length: start + accepted + 1, chosen: answer.tokens[accepted] ?? 0 };
    return answer;
  }

  /** The device works for `ms`, or until it is lost. */
  async #work(ms: number): Promise<void> {
    const leftMs = (this.#options.failAtMs ?? Infinity) - this.#clock.now();
    if (!this.#lost && ms < leftMs) return this.#clock.sleep(ms);
    if (!this.#lost && leftMs > 0) await this.#clock.sleep(leftMs);
    this.#lost = true;
    throw new LaneLostError(this.name, `simulated at ${this.#options.failAtMs} ms`);
  }
}
