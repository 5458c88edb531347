import { ApiError } from "./api-error.ts";

/** Requests that generate take turns on the engine, which writes one text at a time: first come, first served. */
export class Turns {
  readonly #limit: number;
  readonly #retryAfterS: (ahead: number) => number;
  readonly #waiting: (() => void)[] = [];
  #taken = false;

  /** At most `limit` requests wait; who comes beyond is told to come back in `retryAfterS(ahead)` seconds. */
  constructor(limit: number, retryAfterS: (ahead: number) => number) {
    this.#limit = limit;
    this.#retryAfterS = retryAfterS;
  }

  /** Requests that wait for their turn. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Requests that have the engine: 0 or 1. */
  get running(): number {
    return this.#taken ? 1 : 0;
  }

  /**
   * Waits for a turn; the function that it gives ends that turn, and does nothing when called again. Throws an ApiError
   * (429) at once where too many wait. Rejects with the signal's reason once that is aborted, and then has no turn.
   */
  take(signal: AbortSignal): Promise<() => void> {
    if (this.#taken && this.#waiting.length >= this.#limit) {
      const ahead = this.#waiting.length + 1;
      throw new ApiError(429, "rate_limit_error", `${ahead} requests are before this one; send it again later`, {
        code: "rate_limit_exceeded",
        retryAfterS: this.#retryAfterS(ahead),
      });
    }
    return new Promise((resolve, reject) => {
      const begin = () => {
        signal.removeEventListener("abort", leave);
        this.#taken = true;
        let ended = false;
        resolve(() => {
          if (ended) return;
          ended = true;
          this.#taken = false;
          this.#waiting.shift()?.();
        });
      };
      const leave = () => {
        const at = this.#waiting.indexOf(begin);
        if (at >= 0) this.#waiting.splice(at, 1);
        reject(signal.reason);
      };
      if (signal.aborted) return reject(signal.reason);
      if (!this.#taken) return begin();
      this.#waiting.push(begin);
      signal.addEventListener("abort", leave);
    });
  }
}
