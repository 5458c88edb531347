/**
 * Drafting stops after losing this many greedy tokens' time: drafts are right in bursts, and between two of them each
 * token costs a tenth more.
 */
const PATIENCE = 3;
/** It stops only after losing this many standard deviations of the loss, if that is more. */
const DEVIATIONS = 2.5;
/** But after losing this many tokens' time in any case. */
const MOST_PATIENCE = 5;
/** The limit is scaled by the expected gain to this power: drafting may lose more where a gain is expected. */
const TRUST = 2;
/** The most that the limit is scaled by. */
const MOST_TRUST = 2;
/** One verification counts as at most this many lost tokens: the machine may have stood still. */
const MOST_LOST = 4;
/**
 * Tokens that are decoded without drafts after a loss. Each cooldown is twice the last, unless drafting has gained
 * since then, or on average.
 */
const COOLDOWN_TOKENS = 48;
/** After so many cooldowns in a row without a gain between them the average is of another machine, or other texts. */
const MOST_TRIES = 4;
/**
 * A pause takes at least this many tokens of a text, even if it is nearly over as the text begins, and as many as the
 * prompt has: to feed the draft lane what it missed slows the verify lane down, and most short texts end before.
 */
const LEAST_PAUSE_TOKENS = 128;
/** The longest cooldown, in tokens. */
const LONGEST_COOLDOWN_TOKENS = 512;
/** What drafting brought is told of stretches of this many tokens, or fewer where it is paused before. */
const STRETCH_TOKENS = 64;
/** A stretch of fewer tokens tells nothing. */
const LEAST_STRETCH_TOKENS = 8;
/** Tokens that the averages of what drafting brought go back over. */
const REMEMBERED_TOKENS = 200;
/** Before anything was seen, the launch rule's expectation counts as this many tokens that bore it out. */
const PRIOR_TOKENS = 20;

/** A speed over greedy's. */
export interface Gain {
  /** What the launch rule expected. */
  readonly expected: number;
  /** What came. */
  readonly achieved: number;
}

/** What drafting has brought on a pair of lanes, for a later process. */
export interface RememberedGain extends Gain {
  /** Over how many tokens; the newest ones count most. */
  readonly tokens: number;
  /** How many tokens are still to be decoded without drafts. */
  readonly pause: number;
  /** How many tokens the next pause takes. */
  readonly cooldown: number;
  /** Pauses since drafting last gained between two of them. */
  readonly tries: number;
}

/** A verification, and what was known of the costs as it ended. */
export interface ObservedVerification {
  /** Where it began. */
  readonly position: number;
  /** How many tokens it committed. */
  readonly tokens: number;
  readonly endMs: number;
  /** The verify lane's time for a token by itself; `undefined` where that is not known yet. */
  readonly aloneMs?: number | undefined;
  /** The speed over greedy's that the launch rule expects; `undefined` where that is not known yet. */
  readonly expectedGain?: number | undefined;
  /**
   * False where the draft lane had still to catch up on the text, or the drafts were not its own: that tells nothing of
   * what they bring.
   */
  readonly drafts?: boolean;
}

/**
 * Pauses drafting where it loses: compares the time of tokens with drafts and the time that the verify lane takes for
 * them alone. Time that the draft lane takes from the verify lane, where they share cores or a card, is part of that.
 * The loss is summed as in a CUSUM chart (Page, "Continuous inspection schemes", Biometrika 41, 1954): a gain that came
 * before a loss doesn't count. What the launch rule expects is corrected by what came of such expectations before. A
 * pause goes on in the next text: a short answer would end before it is clear again that drafting loses.
 */
export class DraftBackoff {
  /** Tokens that are still to be decoded without drafts. */
  #tokensLeft = 0;
  /** How many tokens of this text are left of the least that a pause takes. */
  #leastLeft = 0;
  /** The next cooldown, in tokens. */
  #cooldown = COOLDOWN_TOKENS;
  /** Pauses since drafting last gained between two of them. */
  #tries = 0;
  /** The loss since the last cooldown, in greedy tokens' time; a gain is negative. */
  #lostInAll = 0;
  /** The loss since drafting last gained, in greedy tokens' time. */
  #lost = 0;
  /** The sum of the squares of what `#lost` is the sum of. */
  #lostSquares = 0;
  /** The position at which the run's next verification begins; before its first one there is nothing to compare. */
  #next = -1;
  /** When the last verification ended. */
  #lastMs = 0;
  /** Logarithms of the gains of the last tokens with drafts, on average, and how many tokens those are. */
  #expected = 0;
  #achieved = 0;
  #remembered = PRIOR_TOKENS;
  #stretch = { tokens: 0, ms: 0, expected: 0 };
  /** The pause so far. */
  #alone = { tokens: 0, ms: 0 };
  /** The run so far: greedy's time for its tokens, the time that was expected, and the time that it took, in ms. */
  #run = { greedyMs: 0, expectedMs: 0, ms: 0 };

  /** What was seen before, on the same lanes: a pause goes on. */
  constructor(before?: RememberedGain) {
    if (!before) return;
    this.#expected = Math.log(before.expected);
    this.#achieved = Math.log(before.achieved);
    this.#remembered = PRIOR_TOKENS + before.tokens;
    this.#tokensLeft = Math.min(before.pause, LONGEST_COOLDOWN_TOKENS);
    this.#cooldown = Math.min(before.cooldown, LONGEST_COOLDOWN_TOKENS);
    this.#tries = before.tries;
  }

  /** Whether the verify lane is to go on without drafts for now. */
  get isPaused(): boolean {
    return this.#tokensLeft > 0 || this.#leastLeft > 0;
  }

  /** What drafting brought, while it was not paused; the newest tokens count most. */
  get remembered(): RememberedGain {
    return {
      expected: Math.exp(this.#expected),
      achieved: Math.exp(this.#achieved),
      tokens: Math.min(this.#remembered, REMEMBERED_TOKENS) - PRIOR_TOKENS,
      pause: this.#tokensLeft,
      cooldown: this.#cooldown,
      tries: this.#tries,
    };
  }

  /** The gain of the run, pauses included; null before there is anything to compare. */
  get gain(): Gain | null {
    const { greedyMs, expectedMs, ms } = this.#run;
    return ms > 0 && expectedMs > 0 ? { expected: greedyMs / expectedMs, achieved: greedyMs / ms } : null;
  }

  /** A run begins. */
  begin(): void {
    this.#next = -1;
    this.#run = { greedyMs: 0, expectedMs: 0, ms: 0 };
    this.#leastLeft = this.#tokensLeft > 0 ? LEAST_PAUSE_TOKENS : 0;
    if (!this.isPaused) this.#endPause();
    this.#sumAnew();
  }

  /** Takes note of a verification. */
  observe({ position, tokens, endMs, aloneMs, expectedGain, drafts = true }: ObservedVerification): void {
    const isFirst = position !== this.#next;
    if (this.#next < 0 && this.isPaused) this.#leastLeft = Math.max(this.#leastLeft, position);
    const ms = endMs - this.#lastMs;
    this.#next = position + tokens;
    this.#lastMs = endMs;
    if (isFirst || aloneMs === undefined || expectedGain === undefined) return;
    const gain = this.isPaused ? 1 : expectedGain * Math.exp(this.#achieved - this.#expected);
    // A token by itself, in a pause: that is greedy's own time.
    const isAlone = this.isPaused && tokens === 1;
    const greedyMs = isAlone ? ms : tokens * aloneMs;
    this.#run.greedyMs += greedyMs;
    this.#run.expectedMs += this.isPaused ? ms : greedyMs / gain;
    this.#run.ms += ms;
    if (this.isPaused) this.#rest(tokens, isAlone ? ms : 0);
    else if (drafts) this.#weigh(tokens, Math.min(ms, (tokens + MOST_LOST) * aloneMs), aloneMs, expectedGain, gain);
  }

  /**
   * Tokens of a pause: as it ends it is known what the stretch before it would have taken without drafts. `ms` is 0
   * where they were no single token.
   */
  #rest(tokens: number, ms: number): void {
    this.#tokensLeft = Math.max(0, this.#tokensLeft - tokens);
    this.#leastLeft = Math.max(0, this.#leastLeft - tokens);
    if (ms > 0) this.#alone.tokens += tokens;
    this.#alone.ms += ms;
    if (!this.isPaused) this.#endPause();
  }

  #endPause(): void {
    if (this.#alone.tokens > 0) this.#remember(this.#alone.ms / this.#alone.tokens);
    this.#alone = { tokens: 0, ms: 0 };
  }

  #weigh(tokens: number, ms: number, aloneMs: number, expectedGain: number, gain: number): void {
    const lost = ms / aloneMs - tokens;
    this.#stretch.tokens += tokens;
    this.#stretch.ms += ms;
    this.#stretch.expected += tokens * Math.log(expectedGain);
    this.#lostInAll += lost;
    const isLoss = this.#lost + lost > 0;
    this.#lost = isLoss ? this.#lost + lost : 0;
    this.#lostSquares = isLoss ? this.#lostSquares + lost ** 2 : 0;
    const chance = Math.min(DEVIATIONS * Math.sqrt(this.#lostSquares), MOST_PATIENCE);
    const limit = Math.min(gain ** TRUST, MOST_TRUST) * Math.max(PATIENCE, chance);
    if (this.#lost > limit) {
      this.#tries = this.#lostInAll < 0 ? 0 : this.#tries + 1;
      const gains = this.#tries === 0 || (this.#achieved > 0 && this.#tries < MOST_TRIES);
      this.#tokensLeft = gains ? COOLDOWN_TOKENS : this.#cooldown;
      this.#cooldown = Math.min(2 * this.#tokensLeft, LONGEST_COOLDOWN_TOKENS);
      this.#leastLeft = LEAST_PAUSE_TOKENS;
      this.#sumAnew();
    } else if (this.#stretch.tokens >= STRETCH_TOKENS) this.#remember(aloneMs);
  }

  /** Adds the stretch to what is remembered: the verify lane alone would have taken `aloneMs` a token. */
  #remember(aloneMs: number): void {
    const { tokens, ms, expected } = this.#stretch;
    this.#stretch = { tokens: 0, ms: 0, expected: 0 };
    if (tokens < LEAST_STRETCH_TOKENS || !(ms > 0 && aloneMs > 0)) return;
    this.#remembered = Math.min(this.#remembered, REMEMBERED_TOKENS) + tokens;
    const weight = tokens / this.#remembered;
    this.#expected += (expected / tokens - this.#expected) * weight;
    this.#achieved += (Math.log(tokens * aloneMs / ms) - this.#achieved) * weight;
  }

  #sumAnew(): void {
    this.#lostInAll = 0;
    this.#lost = 0;
    this.#lostSquares = 0;
  }
}
