/** The time that lanes and strategies go by: real, or simulated. */
export interface Clock {
  /** The time in ms since some fixed moment. */
  now(): number;
  sleep(ms: number): Promise<void>;
}

/** The machine's own time. */
export class RealClock implements Clock {
  now(): number {
    return performance.now();
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, ms));
  }
}

/**
 * Settles in the next macrotask, after all promises that can settle. Deno's MessageChannel won't do: it can answer
 * before them (2.9.6: 198 of 200 times). Browsers have no setImmediate.
 */
function macrotask(): Promise<void> {
  const { setImmediate } = globalThis as { setImmediate?: (callback: () => void) => unknown };
  return new Promise((resolve) => setImmediate ? setImmediate(resolve) : setTimeout(resolve, 0));
}

interface Sleeper {
  readonly wakeMs: number;
  readonly wake: () => void;
}

/**
 * Simulated time, from 0. It moves only when all else stands still: `run` waits for a real macrotask, so that every
 * promise that can settle has settled, then goes to the next sleeper's time and wakes that one. Sleepers of equal times
 * wake in the order in which they fell asleep, each with a macrotask of its own, so a run is the same each time.
 */
export class VirtualClock implements Clock {
  #nowMs = 0;
  /** Ordered by wakeMs; equal times in order of insertion. */
  readonly #sleepers: Sleeper[] = [];

  /** `maxWakes` is how many sleeps may end before `run` takes the run for a runaway loop. */
  constructor(readonly maxWakes = 1_000_000) {}

  now(): number {
    return this.#nowMs;
  }

  sleep(ms: number): Promise<void> {
    if (!(ms >= 0 && ms < Infinity)) {
      return Promise.reject(new RangeError(`Cannot sleep: ${ms} ms, wanted a finite number >= 0`));
    }
    const wakeMs = this.#nowMs + ms;
    return new Promise((wake) => {
      let at = this.#sleepers.length;
      while (at > 0 && this.#sleepers[at - 1]!.wakeMs > wakeMs) at--;
      this.#sleepers.splice(at, 0, { wakeMs, wake });
    });
  }

  /**
   * Runs `main` to its end in simulated time and returns its result. Throws an Error if time can't move although `main`
   * hasn't ended (it waits for something that nobody will do), if someone still sleeps when it has, and after
   * `maxWakes` wakes.
   */
  async run<T>(main: () => Promise<T>): Promise<T> {
    let ended = false;
    const end = () => {
      ended = true;
    };
    const result = main();
    result.then(end, end);
    for (let wakes = 0;; wakes++) {
      await macrotask();
      if (ended) break;
      const sleeper = this.#sleepers.shift();
      if (!sleeper) throw new Error(`Cannot go on at ${this.#nowMs} ms: nothing sleeps, and the run has not ended`);
      if (wakes >= this.maxWakes) {
        throw new Error(`Cannot go on at ${this.#nowMs} ms: ${wakes} wakes, wanted at most ${this.maxWakes}`);
      }
      this.#nowMs = sleeper.wakeMs;
      sleeper.wake();
    }
    const value = await result;
    if (this.#sleepers.length > 0) {
      throw new Error(
        `Cannot end at ${this.#nowMs} ms: ${this.#sleepers.length} still asleep, the next until ${
          this.#sleepers[0]!.wakeMs
        } ms`,
      );
    }
    return value;
  }
}
