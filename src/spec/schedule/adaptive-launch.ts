import type { Clock } from "../clock.ts";
import { DraftBackoff, type Gain, type RememberedGain } from "./draft-backoff.ts";
import type { Estimates } from "./estimates.ts";
import { MAX_ROWS } from "../lanes/lane.ts";
import { launchAtOnce, type LaunchRule } from "./launch-rule.ts";
import { acceptedOf, type LaunchPolicy, solveLaunchPolicy } from "./launch-policy.ts";
import type { Operation } from "../trace/trace-events.ts";

/** Thresholds of the rule, which lab/schedule/grid.ts searches. */
export interface AdaptiveLaunchOptions {
  /**
   * A draft is held back unless the committed text will come to it with at least this chance; by default 0.1, and less
   * where a draft step takes less than a sixth of a verification.
   */
  readonly reached?: number;
  /** Multiplies the value of time (committed tokens per ms) from `solveLaunchPolicy`; default 1. */
  readonly rateFactor?: number;
  /** As `reached`, for a step still running when the verification ends; default 0.5. */
  readonly reachedLate?: number;
  /** What drafting brought on the same lanes before; see `AdaptiveLaunch.remembered`. */
  readonly remembered?: RememberedGain;
}

/**
 * The default of `reached` where drafts are dear: searched over a .6 to .9, c .05 to .5 (docs/internals/schedule.md).
 */
const REACHED = 0.1;
/**
 * Where drafts are cheap, `reached` is this many times a draft step's share of a one-row verification; searched too.
 */
const REACHED_BY_COST = 0.6;
/** The least default of `reached`, however cheap drafts are. */
const LEAST_REACHED = 0.02;
/** The draft after the committed text is not held back, however dear: `DraftBackoff` sees what it brings. */
const MOST_REACHED = 0.9;
/**
 * A queued verification must gain this many committed tokens more than waiting: searched over turnarounds of .05 to .3
 * of a one-row verification (lab/schedule).
 */
const DOUBT = 0.03;
/** The share of the turnaround that queueing is assumed to hide; searched over the same turnarounds. */
const HIDDEN = 0.8;
/** The share of verifications beside drafting that are assumed to wait for the host; searched over the same ones. */
const UNQUEUED = 0.5;
/** No average token is surer. */
const SUREST = 0.995;
/** The least time of a step or a verification, in ms: by a coarse clock it may be 0, of which no rate follows. */
const LEAST_MS = 1e-6;
/** Draft steps that fit into a one-row verification at most: a step without a device takes no time at all. */
const MOST_STEPS = 1000;
/** Verifications between two looks at the costs. */
const STRETCH = 8;
/** Useless steps that the draft lane has still to finish after a rejection, on average. */
const STALE_STEPS = 0.5;

/** A number of drafts to verify, and its worth in committed tokens. */
interface Choice {
  readonly count: number;
  readonly worth: number;
}

/**
 * Takes as many rows as pay, by what was measured: each pending token's chance, and the times of draft steps and of
 * verifications. k tokens are worth what they are likely to commit, less their time at the rate that the best rule
 * earns, plus what the drafts are worth that will be pending then (`solveLaunchPolicy`). The rule waits for one more
 * draft if that is worth more, the wait counted in. Before there are costs to go by it launches at once. Where drafting
 * loses against the verify lane alone, it is paused for a while (`DraftBackoff`).
 */
export class AdaptiveLaunch implements LaunchRule {
  readonly #estimates: Estimates;
  readonly #clock: Clock;
  readonly #fixedReached: number | undefined;
  readonly #rateFactor: number;
  readonly #reachedLate: number;
  /** When the verification in flight is likely to be heard of; Infinity where none is that the rule asked for. */
  #verifiedMs = Infinity;
  /** How many drafted tokens the queued verification has, if one is queued. */
  #queued: number | undefined;
  /** When the draft step in flight was sent; `undefined` where none is. */
  #draftFromMs: number | undefined;
  /** The policy, and the times that it was solved for. None before there are costs to go by. */
  #policy: LaunchPolicy | undefined;
  #draftMs = 0;
  #verifyMs: readonly number[] = [0, NaN];
  #verifications = 0;
  /** Whether it is time for a look at the costs. */
  #isDue = false;
  readonly #backoff: DraftBackoff;
  /** Whether a draft has come since the run, or a pause, began. */
  #drafts = false;
  /** Whether the run asks the rule when to launch: other strategies' times tell nothing of what it brings. */
  #isAsked = false;

  constructor(
    estimates: Estimates,
    clock: Clock,
    { reached, rateFactor = 1, reachedLate = 0.5, remembered }: AdaptiveLaunchOptions = {},
  ) {
    this.#estimates = estimates;
    this.#clock = clock;
    this.#fixedReached = reached;
    this.#rateFactor = rateFactor;
    this.#reachedLate = reachedLate;
    this.#backoff = new DraftBackoff(remembered);
  }

  /** The run's speed over greedy's, as it was expected and as it came; null where the rule has not led it. */
  get gain(): Gain | null {
    return this.#isAsked ? this.#backoff.gain : null;
  }

  /** What drafting brought in all runs, for a later process. */
  get remembered(): RememberedGain {
    return this.#backoff.remembered;
  }

  launchNow(chances: readonly number[], stale: number): number | null {
    const { isPaused } = this.#backoff;
    // In a pause no more drafts are to come, but what was looked up in the text is taken.
    if (isPaused && chances.length === 0) return 0;
    const policy = this.#policy;
    if (!policy) return launchAtOnce.launchNow(chances, stale);
    const now = this.#best(policy, chances);
    if (isPaused || chances.length >= MAX_ROWS - 1) return now.count;
    const waitMs = Math.max(0, this.#draftEndMs(stale) - this.#clock.now());
    const later = this.#best(policy, [...chances, this.#estimates.predictor.mean]);
    return later.worth - this.#rateFactor * policy.rate * waitMs > now.worth ? null : now.count;
  }

  queueNext(
    chances: readonly number[],
    verifying: number,
    stale: number,
    hedge: readonly number[],
  ): number | null {
    if (this.#backoff.isPaused && chances.length <= verifying + 1) return 0;
    const policy = this.#policy;
    if (!policy || this.#verifiedMs === Infinity) return null;
    const { mean } = this.#estimates.predictor;
    const rate = this.#rateFactor * policy.rate;
    const lastMs = this.#verifiedMs - this.#turnaroundMs;
    const nowMs = this.#clock.now();
    // There is time to hear of one more draft.
    if (this.#draftFromMs !== undefined && this.#draftEndMs(stale) < lastMs) return null;
    // One way to go on is to be there as the verification ends.
    const judged = [...chances.slice(0, verifying), chances[verifying] ?? mean];
    const behind = chances.slice(verifying + 1);
    const isRight = judged.reduce((product, chance) => product * chance, 1);
    const { count, worth } = this.#best(policy, behind, isRight);
    const queued = worth - rate * Math.max(0, nowMs - lastMs);
    // The other one is to know first what came of it.
    const more = Math.floor(Math.max(0, this.#verifiedMs - nowMs) / this.#draftMs);
    const later = [...behind, ...Array<number>(Math.min(more, MAX_ROWS)).fill(mean)];
    // With nothing pending it may be best to wait for drafts: that is what a worth of 0 stands for.
    const [isHedged = 0, ...hedged] = hedge;
    const known = isRight * this.#best(policy, later).worth +
      isHedged * Math.max(0, this.#best(policy, hedged).worth) +
      (1 - isRight - isHedged) * Math.max(0, this.#best(policy, []).worth);
    const gained = HIDDEN * rate * this.#turnaroundMs - DOUBT;
    return queued + gained > known ? count : null;
  }

  holdDraft(chance: number, ahead: number): boolean {
    const isLate = this.#clock.now() + this.#draftMs > this.#verifiedMs;
    const least = isLate ? this.#reachedLate : this.#reached;
    return this.#backoff.isPaused || chance < least || launchAtOnce.holdDraft(chance, ahead);
  }

  begin(): void {
    this.#verifiedMs = Infinity;
    this.#queued = undefined;
    this.#draftFromMs = undefined;
    this.#drafts = false;
    this.#isAsked = false;
    this.#backoff.begin();
  }

  launched(count: number): void {
    this.#isAsked = true;
    this.#verifiedMs = this.#clock.now() + this.#turnaroundMs + this.#deviceMs(count);
  }

  queued(count: number): void {
    this.#isAsked = true;
    this.#queued = count;
  }

  drafting(): void {
    this.#draftFromMs ??= this.#clock.now();
  }

  observe({ position, accepted, lookedUp, endMs }: Operation): void {
    if (accepted === undefined) {
      this.#drafts = true;
      this.#draftFromMs = undefined;
      // Now, rather than while the verify lane waits for its next message.
      if (this.#isDue) this.#solve();
      return;
    }
    this.#verifiedMs = this.#queued === undefined ? Infinity : endMs + this.#deviceMs(this.#queued);
    this.#queued = undefined;
    this.#isDue ||= ++this.#verifications % STRETCH === 0;
    if (this.#isAsked) {
      this.#backoff.observe({
        position,
        tokens: accepted + 1,
        endMs,
        aloneMs: this.#estimates.costs.aloneMs,
        expectedGain: this.#gain,
        drafts: this.#drafts && !lookedUp,
      });
      if (this.#backoff.isPaused) this.#drafts = false;
    }
    if (!this.#policy) this.#solve();
  }

  get #turnaroundMs(): number {
    return this.#estimates.costs.turnaroundMs("verify");
  }

  /** When the draft step in flight, or else one sent now, is likely to end, after `stale` others. */
  #draftEndMs(stale: number): number {
    return (this.#draftFromMs ?? this.#clock.now()) + this.#draftMs * (1 + stale);
  }

  /** The device's time for a verification of `count` drafted tokens. */
  #deviceMs(count: number): number {
    return this.#estimates.costs.verifyMs(count + 1) ?? Infinity;
  }

  get #reached(): number {
    if (this.#fixedReached !== undefined) return this.#fixedReached;
    const cost = this.#draftMs / this.#verifyMs[1]!;
    const byCost = cost > 0 ? Math.min(REACHED, Math.max(LEAST_REACHED, REACHED_BY_COST * cost)) : REACHED;
    return Math.max(byCost, Math.min(this.#worthwhile, MOST_REACHED));
  }

  /** The chance at which a draft, of average acceptance, is worth the time that its step takes from the verify lane. */
  get #worthwhile(): number {
    const { costs, predictor } = this.#estimates;
    const takenMs = this.#draftMs * costs.takenByDrafts;
    return this.#policy && takenMs > 0 ? this.#policy.rate * takenMs / predictor.mean : 0;
  }

  /** The speed that the rule expects, over that of the verify lane alone, which never waits for the host. */
  get #gain(): number | undefined {
    const { costs } = this.#estimates;
    const aloneMs = costs.verifyMs(1, false);
    if (!aloneMs || !this.#policy) return undefined;
    return this.#policy.rate * aloneMs / costs.excessContention / (1 + UNQUEUED * this.#turnaroundMs / aloneMs);
  }

  /**
   * The number of tokens that is worth most to take, if `isRight` is the chance that the token before them is the one
   * that they were drafted after.
   */
  #best(policy: LaunchPolicy, chances: readonly number[], isRight = 1): Choice {
    const rate = this.#rateFactor * policy.rate;
    const mean = Math.min(this.#estimates.predictor.mean, SUREST);
    let best: Choice = { count: 0, worth: -Infinity };
    let expected = 1;
    let reached = isRight;
    for (let count = 0; count <= chances.length && count < MAX_ROWS; count++) {
      if (count > 0) expected += reached;
      const ms = this.#verifyMs[count + 1]!;
      reached *= chances[count] ?? mean;
      const drafted = Math.max(0, ms / this.#draftMs - Math.max(0, count + 1 - chances.length));
      let left = acceptedOf(drafted, mean);
      for (let i = chances.length - 1; i > count; i--) left = chances[i]! * (1 + left);
      // Drafts that follow a wrong guess begin no sooner than the host hears of it and a step in flight is done, and
      // have to be sent in time.
      const anew = acceptedOf(Math.max(0, (ms - 2 * this.#turnaroundMs) / this.#draftMs - 2), mean);
      const worth = expected - rate * ms + reached * policy.value(left) + (1 - isRight) * mean * policy.value(anew);
      if (worth > best.worth) best = { count, worth };
    }
    return best;
  }

  /** Solves for the policy by the costs as they are now known, if they are. */
  #solve(): void {
    this.#isDue = false;
    this.#policy = undefined;
    const { costs, predictor } = this.#estimates;
    const draftMs = costs.draftMs();
    if (draftMs === undefined || costs.verifyMs(1) === undefined) return;
    this.#verifyMs = Array.from(
      { length: MAX_ROWS + 1 },
      (_, n) => n === 0 ? 0 : Math.max(costs.verifyMs(n)!, LEAST_MS),
    );
    const leastMs = Math.max(this.#verifyMs[1]! / MOST_STEPS, LEAST_MS);
    this.#draftMs = Math.max(draftMs + costs.turnaroundMs("draft"), leastMs);
    this.#policy = solveLaunchPolicy({
      acceptance: predictor.mean,
      draftMs: this.#draftMs,
      verifyMs: this.#verifyMs,
      staleSteps: STALE_STEPS,
    });
  }
}
