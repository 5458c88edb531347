import type { Clock } from "../clock.ts";
import { type Lane, type LaneResult, untilLast } from "./lane.ts";
import { LaneState } from "./lane-state.ts";
import { IndexedText, matchConfidence } from "./look-up.ts";

/**
 * A lane without a model or a device: it looks for the longest end of the text that occurs before, and chooses the
 * token that followed its last occurrence. That is right where a text repeats itself, as edits of code do. Its
 * confidence is n / (n + 1) for a match of n tokens, about 0 for none; the predictor learns what chance that is.
 */
export class NgramLane implements Lane {
  readonly name: string;
  readonly capacity: number;
  readonly stepsAhead = 1;
  readonly branchCapacity = 0;
  readonly #clock: Clock;
  readonly #state: LaneState;
  /** The example, and the text behind it. */
  readonly #text = new IndexedText();
  readonly #exampleLength: number;
  #chosen: number | undefined;
  /** The newest message; never rejects. */
  #newest: Promise<unknown> = Promise.resolve();

  /** What followed in `example` counts as what followed in the text before: a guess at the text, say. */
  constructor(name: string, capacity: number, clock: Clock, example: readonly number[] = []) {
    for (const token of example) this.#text.push(token);
    this.#exampleLength = example.length;
    this.name = name;
    this.capacity = capacity;
    this.#clock = clock;
    this.#state = new LaneState(name, capacity, this.branchCapacity);
  }

  /** Does nothing: look-up chooses the same by argmax and with sampling. */
  sample(): void {}

  prefill(tokens: readonly number[], position: number): Promise<LaneResult> {
    const check = () => this.#state.prefill(tokens.length, position);
    return this.#send(check, tokens.length, position, false, (i) => tokens[i]!);
  }

  verify(tokens: readonly number[], position: number): Promise<LaneResult> {
    const check = () => this.#state.verify(tokens.length, position);
    return this.#send(check, tokens.length, position, true, (i) => tokens[i]!);
  }

  verifyNext(): Promise<LaneResult> {
    return Promise.reject(new RangeError(`Cannot verify ahead on the ${this.name} lane: it only drafts`));
  }

  decode(token: number | null, position: number, steps: number, fork?: number): Promise<LaneResult> {
    const check = () => this.#state.decode(token, position, steps, fork);
    return this.#send(check, steps, position, true, (i) => i === 0 && token !== null ? token : this.#chosen!);
  }

  keep(): Promise<LaneResult> {
    return Promise.reject(new RangeError(`Cannot keep a branch on the ${this.name} lane: it has none`));
  }

  /** Nothing is saved: to be fed again costs this lane nothing. */
  save(): Promise<null> {
    return Promise.resolve(null);
  }

  async drain(): Promise<void> {
    await untilLast(() => this.#newest);
  }

  async close(): Promise<void> {
    this.#state.close();
    await this.drain();
  }

  // Async so that an error rejects.
  async #send(
    check: () => void,
    count: number,
    position: number,
    chooses: boolean,
    token: (i: number) => number,
  ): Promise<LaneResult> {
    check();
    const text = this.#text;
    const startMs = this.#clock.now();
    const answer = { tokens: [] as number[], confidences: [] as number[], runnersUp: [] as number[] };
    text.cut(this.#exampleLength + position);
    for (let i = 0; i < count; i++) {
      text.push(token(i));
      if (!chooses) continue;
      const match = text.match();
      const next = text.at(match.next);
      this.#chosen = next;
      answer.tokens.push(next);
      answer.confidences.push(matchConfidence(match.length));
      answer.runnersUp.push(next === 0 ? 1 : 0);
    }
    const result = Promise.resolve({ ...answer, startMs, endMs: this.#clock.now() });
    this.#newest = result;
    return await result;
  }
}
