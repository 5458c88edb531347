import { DeviceLostError } from "../gpu/device.ts";
import type { Sampling } from "../util/sampling.ts";
import type { Llama } from "../llama/llama.ts";
import { joinResults } from "../llama/pass-queue.ts";
import { type Lane, LaneLostError, type LaneResult, MAX_ROWS, type SavedText, untilLast } from "../spec/lanes/lane.ts";
import { LaneState } from "../spec/lanes/lane-state.ts";

/** A Llama on a device as a lane. Times are the device's own where it has timestamp queries. */
export class ModelLane implements Lane {
  readonly name: string;
  readonly capacity: number;
  readonly stepsAhead: number;
  readonly branchCapacity: number;
  readonly #llama: Llama;
  readonly #release: () => void;
  readonly #state: LaneState;
  #tail: Promise<unknown> = Promise.resolve();

  /**
   * `release` frees the device. Two `stepsAhead` hide the host's share of a step; one leaves no stale step behind a
   * rejection.
   */
  constructor(name: string, llama: Llama, stepsAhead: 1 | 2, release: () => void) {
    this.name = name;
    this.capacity = llama.capacity;
    this.stepsAhead = stepsAhead;
    this.branchCapacity = llama.branchCapacity;
    this.#state = new LaneState(name, llama.capacity, llama.branchCapacity);
    this.#llama = llama;
    this.#release = release;
  }

  sample(sampling: Sampling | null): void {
    this.#llama.sample(sampling);
  }

  // Async so that a RangeError rejects; so are those behind it.
  async prefill(
    tokens: readonly number[],
    position: number,
    onFed?: (count: number) => void,
  ): Promise<LaneResult> {
    this.#state.prefill(tokens.length, position);
    return this.#send(() => this.#llama.prefill(tokens, position, onFed));
  }

  async verify(tokens: readonly number[], position: number): Promise<LaneResult> {
    this.#state.verify(tokens.length, position);
    return this.#send(() => this.#llama.verify(tokens, position));
  }

  async verifyNext(drafted: readonly number[], position: number): Promise<LaneResult> {
    this.#state.verifyNext(drafted.length + 1, position);
    return this.#send(() => this.#llama.verifyNext(drafted));
  }

  async decode(token: number | null, position: number, steps: number, fork?: number): Promise<LaneResult> {
    this.#state.decode(token, position, steps, fork);
    return this.#send(async () => {
      const answers = [];
      for (let done = 0; done < steps; done += MAX_ROWS) {
        const count = Math.min(MAX_ROWS, steps - done);
        answers.push(this.#llama.decode(done === 0 ? token : null, position + done, count, fork));
      }
      return joinResults(await Promise.all(answers));
    });
  }

  async keep(fork: number, count: number): Promise<LaneResult> {
    this.#state.keep(fork, count);
    return this.#send(() => this.#llama.keep(fork, count));
  }

  async save(count: number): Promise<SavedText | null> {
    this.#state.save(count);
    const saved = await this.#send(() => this.#llama.save(count));
    return saved && {
      ...saved,
      restore: async (count) => {
        this.#state.restore(count, saved.length);
        return await this.#send(() => saved.restore(count));
      },
    };
  }

  async drain(): Promise<void> {
    await untilLast(() => this.#tail);
  }

  async close(): Promise<void> {
    if (!this.#state.close()) return;
    await this.drain();
    this.#release();
  }

  #send<T>(run: () => Promise<T>): Promise<T> {
    const answer = run();
    // Answers that come in one go settle after different numbers of microtasks; those before it go first.
    answer.catch(() => {});
    const result = this.#tail.then(() => answer).catch((error) => {
      throw error instanceof DeviceLostError ? new LaneLostError(this.name, error.message) : error;
    });
    this.#tail = result.catch(() => {});
    return result;
  }
}
