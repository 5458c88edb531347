import { DeviceLostError } from "../gpu/device.ts";
import type { Sampling } from "../kernels/sampling.ts";
import type { Llama } from "../model/llama.ts";
import { type Answer, joinAnswers } from "../model/pass-queue.ts";
import { type Lane, LaneLostError, type LaneResult, MAX_ROWS } from "./lane.ts";

/** A Llama on a device as a lane. Times are the device's own where it has timestamp queries. */
export class ModelLane implements Lane {
  readonly name: string;
  readonly capacity: number;
  readonly stepsAhead: number;
  readonly stripCapacity: number;
  readonly #llama: Llama;
  readonly #release: () => void;
  /** Of the text, once all messages sent are done; so are the next two. */
  #length = 0;
  #branch: { readonly fork: number; readonly length: number } | undefined;
  /** Whether the last message chooses a token, for a `decode` without one. */
  #chooses = false;
  /** Whether it is a verification, for a `verifyNext`. */
  #verifies = false;
  #closed = false;
  #tail: Promise<unknown> = Promise.resolve();

  /** `release` frees the device; `stepsAhead` 2 hides the host's share of a step, 1 leaves no stale step behind a rejection. */
  constructor(name: string, llama: Llama, stepsAhead: 1 | 2, release: () => void) {
    this.name = name;
    this.capacity = llama.capacity;
    this.stepsAhead = stepsAhead;
    this.stripCapacity = llama.stripCapacity;
    this.#llama = llama;
    this.#release = release;
  }

  sample(sampling: Sampling | null): void {
    this.#llama.sample(sampling);
  }

  // Async so that a RangeError rejects; so are the next four.
  async prefill(tokens: readonly number[], position: number): Promise<LaneResult> {
    this.#check("prefill", tokens.length, position, Infinity);
    this.#fed(position + tokens.length, position, false);
    return this.#send(() => this.#llama.prefill(tokens, position));
  }

  async verify(tokens: readonly number[], position: number): Promise<LaneResult> {
    this.#check("verify", tokens.length, position, MAX_ROWS);
    this.#fed(position + tokens.length, position, true);
    this.#verifies = true;
    return this.#send(() => this.#llama.verify(tokens, position));
  }

  async verifyNext(drafted: readonly number[], position: number): Promise<LaneResult> {
    if (!this.#verifies) {
      throw new RangeError(`Cannot verify behind the last message of the ${this.name} lane: it is no verification`);
    }
    this.#check("verify", drafted.length + 1, position, MAX_ROWS);
    this.#fed(position + drafted.length + 1, position, true);
    this.#verifies = true;
    return this.#send(() => this.#llama.verifyNext(drafted));
  }

  async decode(token: number | null, position: number, steps: number, fork?: number): Promise<LaneResult> {
    if (fork === undefined) this.#check("decode", steps, position, Infinity);
    else this.#checkBranch(steps, position, fork);
    if (token === null && !this.#chooses) {
      throw new RangeError(`Cannot decode on the ${this.name} lane without a token: the message before it chose none`);
    }
    if (fork === undefined) this.#fed(position + steps, position, true);
    else {
      this.#branch = { fork, length: position - fork + steps };
      this.#chooses = true;
      this.#verifies = false;
    }
    return this.#send(async () => {
      const answers = [];
      for (let done = 0; done < steps; done += MAX_ROWS) {
        const count = Math.min(MAX_ROWS, steps - done);
        answers.push(this.#llama.decode(done === 0 ? token : null, position + done, count, fork));
      }
      return joinAnswers(await Promise.all(answers));
    });
  }

  async keep(fork: number, count: number): Promise<LaneResult> {
    if (this.#branch?.fork !== fork || !(Number.isInteger(count) && count >= 1 && count <= this.#branch.length)) {
      throw new RangeError(
        `Cannot keep ${count} tokens from position ${fork} on the ${this.name} lane: its branch ` +
          (this.#branch ? `has ${this.#branch.length} from ${this.#branch.fork} on` : "is gone"),
      );
    }
    this.#check("keep", count, fork, Infinity);
    this.#fed(fork + count, fork, false);
    return this.#send(() => this.#llama.keep(fork, count));
  }

  async drain(): Promise<void> {
    let tail;
    do {
      tail = this.#tail;
      await tail;
    } while (tail !== this.#tail);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.drain();
    this.#release();
  }

  #check(operation: string, count: number, position: number, most: number): void {
    const what = `Cannot ${operation} ${count} tokens at position ${position} on the ${this.name} lane`;
    if (this.#closed) throw new Error(`Cannot use the ${this.name} lane: it is closed`);
    if (!(Number.isInteger(count) && count >= 1 && count <= most)) {
      throw new RangeError(`${what}: wanted 1 to ${most} tokens`);
    }
    if (!(Number.isInteger(position) && position >= 0 && position <= this.#length)) {
      throw new RangeError(`${what}: its cache holds ${this.#length}, wanted a position from 0 to that`);
    }
    if (position + count > this.capacity) {
      throw new RangeError(`${what}: wanted at most its capacity of ${this.capacity}`);
    }
  }

  #checkBranch(count: number, position: number, fork: number): void {
    const what = `Cannot decode ${count} tokens at position ${position} of a branch on the ${this.name} lane`;
    if (this.#closed) throw new Error(`Cannot use the ${this.name} lane: it is closed`);
    const branch = position === fork ? { fork: Math.min(fork, this.#length), length: 0 } : this.#branch;
    if (branch?.fork !== fork || !(fork >= 0 && position >= fork && position - fork <= branch.length)) {
      throw new RangeError(`${what}: there is no branch from ${fork} to there`);
    }
    if (!(Number.isInteger(count) && count >= 1 && position - fork + count <= this.stripCapacity)) {
      throw new RangeError(`${what}: wanted at most ${this.stripCapacity} on a branch`);
    }
    if (position + count > this.capacity) {
      throw new RangeError(`${what}: wanted at most its capacity of ${this.capacity}`);
    }
  }

  /** The text now ends at `length`, and is a new one from `position` on. */
  #fed(length: number, position: number, chooses: boolean): void {
    this.#length = length;
    this.#chooses = chooses;
    this.#verifies = false;
    if (this.#branch && this.#branch.fork > position) this.#branch = undefined;
  }

  #send(run: () => Promise<Answer>): Promise<LaneResult> {
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
