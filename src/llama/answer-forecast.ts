/**
 * Tells when the next answer of a queue can come at the earliest, so that nobody has to look for it before: once the
 * oldest submission in flight has taken the least time that one of its kind ever took. Kinds are compared by identity.
 */
export class AnswerForecast {
  /** Hears of that time, in ms of `performance.now()`, when it changes; of `undefined` when none is in flight. */
  readonly #onDue: (atMs: number | undefined) => void;
  readonly #leastMs = new Map<object, number>();
  /** The kinds of the submissions in flight, oldest first. */
  readonly #inFlight: object[] = [];

  constructor(onDue: (atMs: number | undefined) => void) {
    this.#onDue = onDue;
  }

  /** Whether a submission of this kind was answered before. */
  knows(kind: object): boolean {
    return this.#leastMs.has(kind);
  }

  sent(kind: object, submitMs: number): void {
    if (this.#inFlight.push(kind) === 1) this.#expect(submitMs);
  }

  /** The oldest submission in flight was answered; the device worked on it from `startMs` to `endMs`. */
  answered(startMs: number, endMs: number): void {
    const kind = this.#inFlight.shift()!;
    this.#leastMs.set(kind, Math.min(this.#leastMs.get(kind) ?? Infinity, endMs - startMs));
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
    this.#onDue(kind && startMs + (this.#leastMs.get(kind) ?? 0));
  }
}
