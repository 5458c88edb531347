/** Verifications between two judgements while drafting pays, and when it is tried again after a rest. */
const STRETCH = 16;
const PROBE = 6;
/** Verifications without drafts that tell how fast that is. */
const CALIBRATION = 3;
/** What the drafting before weighs at a judgement: tokens come by chance, and 16 verifications are off by a tenth. */
const KEEP = 0.75;
/** Drafting is left off where it is slower by more than this. */
const LOSS = 1.03;
/** By more than this no whole stretch is waited for. */
const CLEAR_LOSS = 1.1;
/** By what is known of times and acceptance, at best: then a whole stretch need not be waited for. */
const HOPELESS = 0.8;
/** Tokens without drafts after a stretch that lost, doubled each time that it loses again. */
const REST = 64;
const LONGEST_REST = 512;
/** Two lanes that share a machine slow each other down; by more than this nobody has seen. */
const CLEAR_GAIN = 1.6;

/**
 * Whether drafting pays at all: compares the pace of tokens with drafts and without. What the draft lane takes from the verify lane
 * where they share cores or a card shows in it. A verify lane alone is measured only where the gain is not clear beyond doubt.
 */
export class Pace {
  #alone = false;
  #left = STRETCH;
  /** Verifications with drafts since the last change. */
  #seen = 0;
  #rest = REST;
  #aloneMs: number | undefined;
  /** Of the stretch under way; with drafts, the older ones weigh on in it. */
  #now = { tokens: 0, ms: 0 };
  #drafting = this.#now;
  /** Where the run's next verification begins; another one is of another run. */
  #next = -1;
  /** Whether the next one is not counted: it may have the other lane's last step beside it. */
  #skips = true;
  #lastMs = 0;

  /** Tokens that the verify lane is to go on without drafts for now. */
  get rest(): number {
    return this.#alone ? this.#left : 0;
  }

  /**
   * Of a verification that began at `position`: what it committed, when it ended, what a token costs the verify lane alone (`undefined` if not known
   * yet), and how many times as fast the launch rule expects to be.
   */
  add(position: number, tokens: number, endMs: number, aloneMs = 0, expectedGain?: number): void {
    const isAnother = position !== this.#next;
    const [fromMs, counts] = [this.#lastMs, !this.#skips && !isAnother];
    this.#next = position + tokens;
    this.#lastMs = endMs;
    this.#skips = false;
    // Another text: what was learnt of the last one may not hold, and the time between is nobody's.
    if (isAnother && this.#alone && this.#aloneMs !== undefined) {
      this.#rest = REST;
      this.#go(false, PROBE);
    }
    if (!counts) return;
    this.#now.tokens += tokens;
    this.#now.ms += endMs - fromMs;
    if (--this.#left === 0) return this.#judge(aloneMs);
    if (this.#alone || ++this.#seen < PROBE) return;
    const hopeless = expectedGain !== undefined && expectedGain < HOPELESS;
    const loses = this.#now.ms > CLEAR_LOSS * aloneMs * this.#now.tokens && aloneMs > 0;
    if (hopeless || loses) this.#leave();
  }

  #judge(aloneMs: number): void {
    const msPerToken = this.#now.ms / this.#now.tokens;
    if (this.#alone) {
      this.#aloneMs = msPerToken;
      this.#go(false, PROBE);
    } else if (msPerToken * CLEAR_GAIN < aloneMs) {
      this.#go(false, STRETCH);
    } else if (this.#aloneMs === undefined) {
      this.#go(true, CALIBRATION);
    } else if (msPerToken > LOSS * this.#aloneMs) {
      this.#leave();
    } else {
      this.#rest = REST;
      this.#go(false, STRETCH);
    }
  }

  #leave(): void {
    this.#go(true, this.#rest);
    this.#rest = Math.min(2 * this.#rest, LONGEST_REST);
  }

  #go(alone: boolean, verifications: number): void {
    this.#alone = alone;
    this.#left = verifications;
    this.#seen = 0;
    this.#skips = true;
    if (alone) this.#now = { tokens: 0, ms: 0 };
    else {
      this.#drafting.tokens *= KEEP;
      this.#drafting.ms *= KEEP;
      this.#now = this.#drafting;
    }
  }
}
