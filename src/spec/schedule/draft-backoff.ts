/** Drafting stops after losing this many greedy tokens' time. */
const PATIENCE = 1;
/** It stops only after losing this many standard deviations of the loss, if that is more. */
const DEVIATIONS = 2;
/** The limit is scaled by the expected gain to this power: drafting may lose more where a gain is expected. */
const TRUST = 3;
/** The most that the limit is scaled by. */
const MOST_TRUST = 2;
/** One verification counts as at most this many lost tokens: the machine may have stood still. */
const MOST_LOST = 6;
/** Tokens that are decoded without drafts after a loss. Each cooldown is twice the last, unless drafting has gained. */
const COOLDOWN_TOKENS = 64;
/** The longest cooldown, in tokens. */
const LONGEST_COOLDOWN_TOKENS = 512;

/**
 * Pauses drafting where it loses: compares the time of tokens with drafts and the time that the verify lane takes for
 * them alone. Time that the draft lane takes from the verify lane, where they share cores or a card, is part of that.
 * The loss is summed as in a CUSUM chart (Page, "Continuous inspection schemes", Biometrika 41, 1954): a gain that came
 * before a loss doesn't count.
 */
export class DraftBackoff {
  /** Tokens that are still to be decoded without drafts. */
  #tokensLeft = 0;
  /** The next cooldown, in tokens. */
  #cooldown = COOLDOWN_TOKENS;
  /** The loss since the last cooldown, in greedy tokens' time; a gain is negative. */
  #lostInAll = 0;
  /** The loss since drafting last gained, in greedy tokens' time. */
  #lost = 0;
  /** The sum of the squares of what `#lost` is the sum of. */
  #lostSquares = 0;
  /** The position at which the run's next verification begins; one that begins elsewhere is another text's. */
  #next = -1;
  /** When the last verification ended. */
  #lastMs = 0;

  /** Whether the verify lane is to go on without drafts for now. */
  get isPaused(): boolean {
    return this.#tokensLeft > 0;
  }

  /**
   * Takes note of a verification that began at `position`: how many tokens it committed and when it ended. `aloneMs` is
   * the verify lane's time for a token by itself, `expectedGain` the speed over greedy's that the launch rule expects;
   * `undefined` where that is not known yet.
   */
  observe(position: number, tokens: number, endMs: number, aloneMs?: number, expectedGain?: number): void {
    const isNewText = position !== this.#next;
    const ms = endMs - this.#lastMs;
    this.#next = position + tokens;
    this.#lastMs = endMs;
    // Drafts that lost in the last text may gain in this one.
    if (isNewText) {
      this.#cooldown = COOLDOWN_TOKENS;
      return this.#begin(0);
    }
    if (this.#tokensLeft > 0) {
      this.#tokensLeft = Math.max(0, this.#tokensLeft - tokens);
      return;
    }
    if (aloneMs === undefined || expectedGain === undefined) return;
    const lost = Math.min(ms / aloneMs - tokens, MOST_LOST);
    this.#lostInAll += lost;
    const isLoss = this.#lost + lost > 0;
    this.#lost = isLoss ? this.#lost + lost : 0;
    this.#lostSquares = isLoss ? this.#lostSquares + lost ** 2 : 0;
    const trust = Math.min(expectedGain ** TRUST, MOST_TRUST);
    const limit = trust * Math.max(PATIENCE, DEVIATIONS * Math.sqrt(this.#lostSquares));
    if (this.#lost > limit) {
      const cooldown = this.#lostInAll < 0 ? COOLDOWN_TOKENS : this.#cooldown;
      this.#cooldown = Math.min(2 * cooldown, LONGEST_COOLDOWN_TOKENS);
      this.#begin(cooldown);
    }
  }

  /** Begins to sum anew, after a cooldown of `tokens`. */
  #begin(tokens: number): void {
    this.#tokensLeft = tokens;
    this.#lostInAll = 0;
    this.#lost = 0;
    this.#lostSquares = 0;
  }
}
