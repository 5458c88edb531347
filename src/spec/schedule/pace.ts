/**
 * Drafting is left off once it has lost what so many tokens take the verify lane alone, and so many times the standard deviation of such a sum: what it gains first
 * doesn't count. Where a gain is expected it may lose more, by that power of the gain, but no more than so many times as much. A single verification counts no more
 * than so many tokens.
 */
const PATIENCE = 1;
const DEVIATIONS = 2;
const TRUST = 3;
const MOST_TRUST = 2;
const MOST_LOST = 6;
/** Tokens without drafts after that, doubled each time unless drafting has gained since the last, until a new text begins. */
const REST = 64;
const LONGEST_REST = 512;

/**
 * Whether drafting pays at all: compares what tokens take with drafts and what the verify lane takes for them alone. What the draft lane takes from the verify lane
 * where they share cores or a card shows in it. The loss is summed as in a CUSUM chart (Page, "Continuous inspection schemes", Biometrika 41, 1954).
 */
export class Pace {
  /** Tokens that the verify lane is to go on without drafts for now. */
  #left = 0;
  #rest = REST;
  /** In tokens' time: what drafting has lost since the last rest, and the sum that begins anew with each gain, with that of the squares. */
  #lostInAll = 0;
  #lost = 0;
  #lostSquares = 0;
  /** Where the run's next verification begins; another one is of another run. */
  #next = -1;
  #lastMs = 0;

  get rests(): boolean {
    return this.#left > 0;
  }

  /**
   * Of a verification that began at `position`: what it committed, when it ended, what a token costs the verify lane alone, and how many times as fast
   * the launch rule expects to be; `undefined` where that is not known yet.
   */
  add(position: number, tokens: number, endMs: number, aloneMs?: number, expectedGain?: number): void {
    const isAnother = position !== this.#next;
    const ms = endMs - this.#lastMs;
    this.#next = position + tokens;
    this.#lastMs = endMs;
    // What was learnt of the last text may not hold.
    if (isAnother) {
      this.#rest = REST;
      return this.#go(0);
    }
    if (this.#left > 0) {
      this.#left = Math.max(0, this.#left - tokens);
      return;
    }
    if (aloneMs === undefined || expectedGain === undefined) return;
    // One verification alone is no verdict: the machine may have stood still.
    const lost = Math.min(ms / aloneMs - tokens, MOST_LOST);
    this.#lostInAll += lost;
    const isLoss = this.#lost + lost > 0;
    this.#lost = isLoss ? this.#lost + lost : 0;
    this.#lostSquares = isLoss ? this.#lostSquares + lost ** 2 : 0;
    const trust = Math.min(expectedGain ** TRUST, MOST_TRUST);
    const limit = trust * Math.max(PATIENCE, DEVIATIONS * Math.sqrt(this.#lostSquares));
    if (this.#lost > limit) {
      const rest = this.#lostInAll < 0 ? REST : this.#rest;
      this.#rest = Math.min(2 * rest, LONGEST_REST);
      this.#go(rest);
    }
  }

  #go(rest: number): void {
    this.#left = rest;
    this.#lostInAll = 0;
    this.#lost = 0;
    this.#lostSquares = 0;
  }
}
