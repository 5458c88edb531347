/** The least time is that of so many submissions: a machine that others share may slow down. */
const RECENT = 16;

/**
 * Tells when the next answer of a queue is likely to come at the earliest, so that nobody has to look for it before:
 * once the oldest submission in flight has taken the least time that the last ones of its kind took. Kinds are compared
 * by identity.
 */
export class AnswerForecast {
  /** Hears of that time, in ms of `performance.now()`, when it changes; of `undefined` when none is in flight. */
  readonly #onDue: (atMs: number | undefined) => void;
  /** The times of the last submissions, by their kind. */
  readonly #recentMs = new Map<object, number[]>();
  /** The kinds of the submissions in flight, oldest first. */
  readonly #inFlight: object[] = [];

  constructor(onDue: (atMs: number | undefined) => void) {
    this.#onDue = onDue;
  }

  /** Whether a submission of this kind was answered before. */
  knows(kind: object): boolean {
    return this.#recentMs.has(kind);
  }

  sent(kind: object, submitMs: number): void {
    if (this.#inFlight.push(kind) === 1) this.#expect(submitMs);
  }

  /** The oldest submission in flight was answered; the device worked on it from `startMs` to `endMs`. */
  answered(startMs: number, endMs: number): void {
    const kind = this.#inFlight.shift()!;
    const recent = this.#recentMs.get(kind) ?? [];
    this.#recentMs.set(kind, [...recent, endMs - startMs].slice(-RECENT));
    this.#expect(endMs);
  }

  /** The oldest submission in flight, sent at `submitMs`, has no answer. */
  failed(submitMs: number): void {
    this.#inFlight.shift();
    this.#expect(submitMs);
  }

  /** The device works on the oldest submission in flight from `startMs` on. */
  #expect(startMs: number): void {
    const [kind] = this.#inFlight;
    this.#onDue(kind && startMs + Math.min(...this.#recentMs.get(kind) ?? [0]));
  }
}
