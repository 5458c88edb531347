import type { Clock } from "../clock.ts";
import { countAccepted, type Lane, LaneLostError, type LaneResult, type SavedText, untilLast } from "./lane.ts";
import { LaneState } from "./lane-state.ts";

/** A model and a device to simulate. */
export interface SimulatedLaneOptions {
  readonly name: string;
  readonly capacity: number;
  readonly stepsAhead: number;
  /** The time of a prefill, for each token. */
  readonly prefillMs: number;
  /** The time of one step of a `decode`. */
  readonly decodeMs: number;
  /** The time of one verification. */
  readonly verifyMs: (rows: number) => number;
  /** The model: the token chosen after a text. The array is the lane's own; it changes after the call. */
  readonly next: (text: readonly number[]) => number;
  /** How sure the model is of that token; 0.5 if not given. Asked right after `next`, as `runnerUp` is. */
  readonly confidence?: (text: readonly number[]) => number;
  /** The model's second choice, another token than the one chosen; that one's successor if not given. */
  readonly runnerUp?: (text: readonly number[], chosen: number) => number;
  /** 0 if not given: the lane can't branch. */
  readonly branchCapacity?: number;
  /** The most rows of a verification, as another program may have them; MAX_ROWS if not given. */
  readonly maxRows?: number;
  /** The time from the device's end of a message to the host's knowing; 0 if not given. */
  readonly latencyMs?: number;
  /** A factor on each operation's time. */
  readonly jitter?: () => number;
  /** When the device is lost, on the lane's clock. */
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
  readonly branchCapacity: number;
  readonly #clock: Clock;
  readonly #options: SimulatedLaneOptions;
  readonly #state: LaneState;
  /** The tokens in the "KV cache". They change when the device works. */
  readonly #text: number[] = [];
  /** The tokens in the branch slots; they change as `#text` does. */
  #branch: number[] = [];
  #chosen = 0;
  /** Where the text ends that the last verification accepted, and the token that it chose behind that. */
  #accepted = { length: 0, chosen: 0 };
  #lost = false;
  /** When the device is done with all that was sent; never rejects. */
  #device: Promise<unknown> = Promise.resolve();
  /** When the host knows of that; never rejects. */
  #settled: Promise<unknown> = Promise.resolve();

  constructor(clock: Clock, options: SimulatedLaneOptions) {
    this.name = options.name;
    this.capacity = options.capacity;
    this.stepsAhead = options.stepsAhead;
    this.branchCapacity = options.branchCapacity ?? 0;
    this.#state = new LaneState(this.name, this.capacity, this.branchCapacity, options.maxRows);
    this.#clock = clock;
    this.#options = options;
  }

  /** Does nothing: the options say how the model chooses. */
  sample(): void {}

  // Async so that a RangeError rejects.
  async prefill(tokens: readonly number[], position: number): Promise<LaneResult> {
    this.#state.prefill(tokens.length, position);
    const ms = tokens.length * this.#options.prefillMs;
    return this.#send("prefill", tokens.length, position, ms, (i) => tokens[i]!);
  }

  // Async so that a RangeError rejects.
  async verify(tokens: readonly number[], position: number): Promise<LaneResult> {
    this.#state.verify(tokens.length, position);
    const ms = this.#options.verifyMs(tokens.length);
    return this.#send("verify", tokens.length, position, ms, (i) => tokens[i]!);
  }

  // Async so that a RangeError rejects.
  async verifyNext(drafted: readonly number[], position: number): Promise<LaneResult> {
    const rows = 1 + drafted.length;
    this.#state.verifyNext(rows, position);
    const ms = this.#options.verifyMs(rows);
    return this.#send("verifyNext", rows, position, ms, (i) => i === 0 ? this.#accepted.chosen : drafted[i - 1]!);
  }

  // Async so that a RangeError rejects.
  async decode(token: number | null, position: number, steps: number, fork?: number): Promise<LaneResult> {
    this.#state.decode(token, position, steps, fork);
    const ms = steps * this.#options.decodeMs;
    return this.#send("decode", steps, position, ms, (i) => i === 0 && token !== null ? token : this.#chosen, fork);
  }

  // Async so that a RangeError rejects.
  async keep(fork: number, count: number): Promise<LaneResult> {
    this.#state.keep(fork, count);
    return this.#send("keep", count, fork, 0, (i) => this.#branch[i]!);
  }

  async save(count: number): Promise<SavedText> {
    this.#state.save(count);
    let text: readonly number[] = [];
    const saved = this.#device.then(() => {
      text = this.#text.slice(0, count);
    });
    this.#device = saved;
    await saved;
    return {
      length: count,
      // Async so that a RangeError rejects.
      restore: async (count) => {
        this.#state.restore(count, text.length);
        return await this.#send("prefill", count, 0, 0, (i) => text[i]!);
      },
      free: () => {
        text = [];
      },
    };
  }

  async drain(): Promise<void> {
    await untilLast(() => this.#settled);
  }

  async close(): Promise<void> {
    this.#state.close();
    await this.drain();
    this.#text.length = 0;
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
    const chooses = operation !== "prefill" && operation !== "keep";
    const done = this.#device.then(async () => {
      const startMs = this.#clock.now();
      await this.#work(ms * (jitter?.() ?? 1));
      // The model reads one text: a branch stands in the main sequence's place while it is fed.
      const main = fork === undefined ? [] : this.#text.splice(fork, Infinity, ...this.#branch);
      this.#text.length = operation === "verifyNext" ? this.#accepted.length : position;
      const answer = this.#feed(count, chooses, token);
      if (fork !== undefined) {
        this.#branch = this.#text.splice(fork);
        this.#text.push(...main);
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
    const { next, confidence, runnerUp } = this.#options;
    const answer = { tokens: [] as number[], confidences: [] as number[], runnersUp: [] as number[] };
    const start = this.#text.length;
    for (let i = 0; i < count; i++) {
      this.#text.push(token(i));
      if (!chooses) continue;
      this.#chosen = next(this.#text);
      answer.tokens.push(this.#chosen);
      answer.confidences.push(confidence?.(this.#text) ?? 0.5);
      answer.runnersUp.push(runnerUp?.(this.#text, this.#chosen) ?? this.#chosen + 1);
    }
    const accepted = countAccepted(this.#text.slice(start), answer.tokens);
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
