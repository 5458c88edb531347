import type { Sampling } from "../../../src/util/sampling.ts";
import type { Lane, LaneResult, SavedText } from "../../../src/spec/lanes/lane.ts";

/** A lane that counts its messages in flight, and of which one message can be made to fail. */
export class WatchedLane implements Lane {
  inFlight = 0;
  sent = 0;
  /** What was sent, in words: for tests of who was asked for what. */
  readonly messages: string[] = [];
  readonly #lane: Lane;
  readonly #breakAt: number | undefined;

  /** Message number `breakAt`, counted from 0, rejects with a "broken" error once the device is done with it. */
  constructor(lane: Lane, breakAt?: number) {
    this.#lane = lane;
    this.#breakAt = breakAt;
  }

  get name(): string {
    return this.#lane.name;
  }

  get capacity(): number {
    return this.#lane.capacity;
  }

  get stepsAhead(): number {
    return this.#lane.stepsAhead;
  }

  get branchCapacity(): number {
    return this.#lane.branchCapacity;
  }

  get broke(): boolean {
    return this.#breakAt !== undefined && this.sent > this.#breakAt;
  }

  sample(sampling: Sampling | null): void {
    this.#lane.sample(sampling);
  }

  prefill(tokens: readonly number[], position: number): Promise<LaneResult> {
    return this.#watch(`prefill ${tokens.length} at ${position}`, this.#lane.prefill(tokens, position));
  }

  verify(tokens: readonly number[], position: number): Promise<LaneResult> {
    return this.#watch(`verify ${tokens.length} at ${position}`, this.#lane.verify(tokens, position));
  }

  verifyNext(drafted: readonly number[], position: number): Promise<LaneResult> {
    const message = this.#lane.verifyNext(drafted, position);
    return this.#watch(`verify ${drafted.length + 1} up to ${position}`, message);
  }

  decode(token: number | null, position: number, steps: number, fork?: number): Promise<LaneResult> {
    const what = (token === null ? "on" : "one") + (fork === undefined ? "" : ` forked at ${fork}`);
    return this.#watch(`decode ${what} x${steps} at ${position}`, this.#lane.decode(token, position, steps, fork));
  }

  keep(fork: number, count: number): Promise<LaneResult> {
    return this.#watch(`keep ${count} at ${fork}`, this.#lane.keep(fork, count));
  }

  save(count: number): Promise<SavedText | null> {
    return this.#lane.save(count);
  }

  drain(): Promise<void> {
    return this.#lane.drain();
  }

  close(): Promise<void> {
    return this.#lane.close();
  }

  async #watch(what: string, message: Promise<LaneResult>): Promise<LaneResult> {
    const number = this.sent++;
    this.messages.push(what);
    this.inFlight++;
    try {
      const result = await message;
      if (number === this.#breakAt) throw new Error(`broken ${this.name}`);
      return result;
    } finally {
      this.inFlight--;
    }
  }
}
