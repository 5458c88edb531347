import { DeviceLostError } from "../gpu/device.ts";
import type { Llama } from "../model/llama.ts";
import type { Answer } from "../model/pass-queue.ts";
import { type Lane, LaneLostError, type LaneResult, MAX_ROWS } from "./lane.ts";

/** A Llama on a device as a lane. Times are the device's own where it has timestamp queries. */
export class ModelLane implements Lane {
  readonly name: string;
  readonly capacity: number;
  readonly stepsAhead: number;
  readonly stripCapacity = 0;
  readonly #llama: Llama;
  readonly #release: () => void;
  #length = 0;
  #closed = false;
  #tail: Promise<unknown> = Promise.resolve();

  /** `release` frees the device; `stepsAhead` 2 hides the host's share of a step, 1 leaves no stale step behind a rejection. */
  constructor(name: string, llama: Llama, stepsAhead: 1 | 2, release: () => void) {
    this.name = name;
    this.capacity = llama.capacity;
    this.stepsAhead = stepsAhead;
    this.#llama = llama;
    this.#release = release;
  }

  sample(): void {}

  prefill(tokens: readonly number[], position: number): Promise<LaneResult> {
    return this.#send(position, tokens.length, () => this.#llama.prefill(tokens, position));
  }

  verify(tokens: readonly number[], position: number): Promise<LaneResult> {
    if (tokens.length < 1 || tokens.length > MAX_ROWS) {
      return Promise.reject(new RangeError(`Cannot verify ${tokens.length} rows: 1 to ${MAX_ROWS} wanted`));
    }
    return this.#send(position, tokens.length, () => this.#llama.verify(tokens, position));
  }

  decode(token: number | null, position: number, steps: number): Promise<LaneResult> {
    return this.#send(position, steps, async () => {
      const answers = [];
      for (let done = 0; done < steps; done += MAX_ROWS) {
        const count = Math.min(MAX_ROWS, steps - done);
        answers.push(this.#llama.decode(done === 0 ? token : null, position + done, count));
      }
      const all = await Promise.all(answers);
      return {
        tokens: all.flatMap(({ tokens }) => tokens),
        startMs: all[0]!.startMs,
        endMs: all[all.length - 1]!.endMs,
      };
    });
  }

  keep(): Promise<LaneResult> {
    return Promise.reject(new RangeError(`Cannot keep a branch on the ${this.name} lane: it has none`));
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

  #send(position: number, count: number, run: () => Promise<Answer>): Promise<LaneResult> {
    if (this.#closed) return Promise.reject(new Error(`Cannot use the ${this.name} lane: it is closed`));
    if (count < 1 || position < 0 || position > this.#length || position + count > this.capacity) {
      return Promise.reject(
        new RangeError(
          `Cannot feed ${count} tokens at position ${position} to the ${this.name} lane: it holds ${this.#length} of ${this.capacity}`,
        ),
      );
    }
    this.#length = position + count;
    const answer = run();
    // Answers that come in one go settle after different numbers of microtasks; those before it go first.
    answer.catch(() => {});
    const result = this.#tail.then(() => answer).then((answer) => ({
      ...answer,
      confidences: answer.tokens.map(() => 0.5),
      seconds: answer.tokens.map((token) => token + 1),
    })).catch((error) => {
      throw error instanceof DeviceLostError ? new LaneLostError(this.name, error.message) : error;
    });
    this.#tail = result.catch(() => {});
    return result;
  }
}
