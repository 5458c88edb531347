/**
 * Drafting is left off once it has lost what so many tokens take the verify lane alone, and so many times the standard deviation of such a sum; what it gains first
 * doesn't count. A single verification counts no more than so many tokens.
 */
const PATIENCE = 2;
const DEVIATIONS = 2.5;
const MOST_LOST = 6;
/** Or where less than this is to be expected of it, by what is known of times and acceptance, and it has lost so far; but after so many verifications at the earliest. */
const LEAST_GAIN = 0.99;
const PROBE = 6;
/** Tokens without drafts after that, doubled each time until drafting has gone on for as long, or a new text begins. */
const REST = 64;
const LONGEST_REST = 512;
/** If most of so many verifications at its beginning take no less a token than drafting did, it was the machine that had become slower: drafting goes on. */
const LOOK = 8;

/**
 * Whether drafting pays at all: compares what tokens take with drafts and what the verify lane takes for them alone. What the draft lane takes from the verify lane
 * where they share cores or a card shows in it. The loss is summed as in a CUSUM chart (Page, "Continuous inspection schemes", Biometrika 41, 1954).
 */
export class Pace {
  /** Tokens that the verify lane is to go on without drafts for now. */
  #left = 0;
  #rest = REST;
  /** Verifications with drafts since the last rest. */
  #seen = 0;
  /** In tokens' time: the sum, and that of the squares. */
  #lost = 0;
  #lostSquares = 0;
  /** What was committed since the sum began, and in what time. */
  #lostTokens = 0;
  #lostMs = 0;
  /** The rest under way: what it began with, what a token took before, its verifications, and those that took no less. */
  #began = { rest: 0, msPerToken: 0 };
  #rested = 0;
  #noFaster = 0;
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
      this.#rested++;
      if (ms / tokens >= this.#began.msPerToken) this.#noFaster++;
      if (this.#rested === LOOK && 2 * this.#noFaster > LOOK) {
        this.#rest = this.#began.rest;
        this.#go(0);
      }
      return;
    }
    if (aloneMs === undefined || expectedGain === undefined) return;
    this.#seen++;
    // One verification alone is no verdict: the machine may have stood still.
    const lost = Math.min(ms / aloneMs - tokens, MOST_LOST);
    const isLoss = this.#lost + lost > 0;
    this.#lost = isLoss ? this.#lost + lost : 0;
    this.#lostSquares = isLoss ? this.#lostSquares + lost ** 2 : 0;
    this.#lostTokens = isLoss ? this.#lostTokens + tokens : 0;
    this.#lostMs = isLoss ? this.#lostMs + ms : 0;
    const limit = Math.max(PATIENCE, DEVIATIONS * Math.sqrt(this.#lostSquares));
    const isHopeless = this.#seen >= PROBE && expectedGain < LEAST_GAIN && isLoss;
    if (this.#lost > limit || isHopeless) {
      const rest = this.#seen > this.#rest ? REST : this.#rest;
      this.#rest = Math.min(2 * rest, LONGEST_REST);
      this.#began = { rest, msPerToken: this.#lostMs / this.#lostTokens };
      this.#go(rest);
    }
  }

  #go(rest: number): void {
    this.#left = rest;
    this.#seen = 0;
    this.#lost = 0;
    this.#lostSquares = 0;
    this.#lostTokens = 0;
    this.#lostMs = 0;
    this.#rested = 0;
    this.#noFaster = 0;
  }
}
