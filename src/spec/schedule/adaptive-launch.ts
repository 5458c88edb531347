import type { Clock } from "../clock.ts";
import type { Estimates } from "./estimates.ts";
import { MAX_ROWS } from "../lanes/lane.ts";
import { launchAtOnce, type LaunchRule } from "./launch-rule.ts";
import { acceptedOf, type LaunchPolicy, solveLaunchPolicy } from "./launch-policy.ts";
import { Pace } from "./pace.ts";
import type { Operation } from "../trace/trace-events.ts";

/** What the rule may be turned by: the lab searches them. */
export interface AdaptiveLaunchOptions {
  /** Drafts that the committed text will come to with a smaller chance are not worth their energy; by default the less so the dearer they are. */
  readonly reached?: number;
  /** Of the rate at which time is valued. */
  readonly rateFactor?: number;
  /** The same for a step that will not be done before the verification in flight is, and may hold up what comes after. */
  readonly reachedLate?: number;
}

/** What the chance of a draft has to be: less where a step takes less than a sixth of a verification. Searched over a .6 to .9, c .05 to .5: docs/internals/schedule.md. */
const REACHED = 0.1;
const LEAST_REACHED = 0.02;
/**
 * A verification queued behind another one has to gain so many committed tokens, and counts so much of the turnaround that it hides as gained:
 * searched over turnarounds of .05 to .3 tv(1) (lab/schedule).
 */
const DOUBT = 0.03;
const HIDDEN = 0.8;
/** Of the verifications beside drafting, how many wait for the host: searched over such turnarounds too (lab/schedule). */
const UNQUEUED = 0.5;
/** No average token is surer. */
const SUREST = 0.995;
/** By a coarse clock what a lane does may take no time at all: no rate can be reckoned with that. */
const LEAST_MS = 1e-6;
/** Verifications between two looks at the costs. */
const STRETCH = 8;

/**
 * Takes as many rows as pay, by what was measured: each pending token's chance, td and tv(n). k tokens are worth what they are likely to commit, less their time at
 * the rate that the best rule earns, plus what the drafts are worth that will be pending then (`solveLaunchPolicy`); it waits for one more draft if that
 * is worth more, the wait counted in. Before there are costs to go by it launches at once. Where drafting loses against the verify lane alone it is left off for a while.
 */
export class AdaptiveLaunch implements LaunchRule {
  readonly #estimates: Estimates;
  readonly #clock: Clock;
  readonly #fixedReached: number | undefined;
  readonly #rateFactor: number;
  readonly #reachedLate: number;
  /** When the verification in flight is likely to end, and how many drafted tokens the one queued behind it has. */
  #verifiedMs = Infinity;
  #chained: number | null = null;
  #value: LaunchPolicy | undefined;
  #draftMs = 0;
  #verifyMs: readonly number[] = [0, NaN];
  #verifications = 0;
  /** Whether it is time for a look at the costs. */
  #isDue = false;
  /** Whether the draft lane has been let go on since its last step, and when it was. */
  #drafts = false;
  #draftFromMs = 0;
  readonly #pace = new Pace();

  constructor(
    estimates: Estimates,
    clock: Clock,
    { reached, rateFactor = 1, reachedLate = 0.5 }: AdaptiveLaunchOptions = {},
  ) {
    this.#estimates = estimates;
    this.#clock = clock;
    this.#fixedReached = reached;
    this.#rateFactor = rateFactor;
    this.#reachedLate = reachedLate;
  }

  take(chances: readonly number[], stale: number): number | null {
    const count = this.#take(chances, stale);
    this.#verifiedMs = count === null ? Infinity : this.#clock.now() + this.#turnaroundMs + this.#deviceMs(count);
    return count;
  }

  #take(chances: readonly number[], stale: number): number | null {
    if (this.#pace.rests) return 0;
    this.#value ??= this.#evaluate();
    if (!this.#value) return launchAtOnce.take(chances, stale);
    const pending = chances.length;
    const now = this.#best(chances);
    if (pending >= MAX_ROWS - 1) return now.count;
    const waitMs = Math.max(0, this.#draftEndMs(stale) - this.#clock.now());
    const later = this.#best([...chances, this.#estimates.predictor.mean]);
    return later.worth - this.#rate * waitMs > now.worth ? null : now.count;
  }

  chain(chances: readonly number[], verifying: number, stale: number, hedge: readonly number[]): number | null {
    const count = this.#pace.rests ? 0 : this.#chain(chances, verifying, stale, hedge);
    this.#chained = count;
    return count;
  }

  /** Of two ways to go on behind a verification: to be there as it ends, or to know first what it came to. */
  #chain(chances: readonly number[], verifying: number, stale: number, hedge: readonly number[]): number | null {
    if (!this.#value || this.#verifiedMs === Infinity) return null;
    const lastMs = this.#verifiedMs - this.#turnaroundMs;
    const nowMs = this.#clock.now();
    // Time to hear of one more draft.
    if (this.#drafts && this.#draftEndMs(stale) < lastMs) return null;
    const judged = [...chances.slice(0, verifying), chances[verifying] ?? this.#estimates.predictor.mean];
    const behind = chances.slice(verifying + 1);
    const isRight = judged.reduce((product, chance) => product * chance, 1);
    const { count, worth } = this.#best(behind, isRight);
    const chained = worth - this.#rate * Math.max(0, nowMs - lastMs);
    const more = Math.floor(Math.max(0, this.#verifiedMs - nowMs) / this.#draftMs);
    const later = [...behind, ...Array<number>(Math.min(more, MAX_ROWS)).fill(this.#estimates.predictor.mean)];
    // With nothing pending it may be best to wait for drafts: that is what worth 0 stands for.
    const [isHedged = 0, ...hedged] = hedge;
    const known = isRight * this.#best(later).worth + isHedged * Math.max(0, this.#best(hedged).worth) +
      (1 - isRight - isHedged) * Math.max(0, this.#best([]).worth);
    const gained = HIDDEN * this.#rate * this.#turnaroundMs - DOUBT;
    return chained + gained > known ? count : null;
  }

  pauses(chance: number, ahead: number): boolean {
    const isLate = this.#clock.now() + this.#draftMs > this.#verifiedMs;
    const least = isLate ? this.#reachedLate : this.#reached;
    const pauses = this.#pace.rests || chance < least || launchAtOnce.pauses(chance, ahead);
    if (!pauses && !this.#drafts) {
      this.#drafts = true;
      this.#draftFromMs = this.#clock.now();
    }
    return pauses;
  }

  get #turnaroundMs(): number {
    return this.#estimates.costs.turnaroundMs("verify");
  }

  /** When the draft step in flight, or the one that is sent now, is likely to end, after `stale` others. */
  #draftEndMs(stale: number): number {
    return (this.#drafts ? this.#draftFromMs : this.#clock.now()) + this.#draftMs * (1 + stale);
  }

  /** What the device takes for a verification of so many drafted tokens. */
  #deviceMs(count: number): number {
    return this.#estimates.costs.verifyMs(count + 1) ?? Infinity;
  }

  observe(operation: Operation): void {
    const { endMs, accepted, position } = operation;
    if (accepted === undefined) {
      this.#drafts = false;
      // Now, rather than while the verify lane waits for its next message.
      if (this.#isDue) this.#value = this.#evaluate();
      return;
    }
    this.#verifiedMs = this.#chained === null ? Infinity : endMs + this.#deviceMs(this.#chained);
    this.#chained = null;
    this.#isDue ||= ++this.#verifications % STRETCH === 0;
    this.#pace.add(position, accepted + 1, endMs, this.#estimates.costs.aloneMs, this.#gain);
  }

  get #reached(): number {
    const c = this.#draftMs / this.#verifyMs[1]!;
    return this.#fixedReached ?? (c > 0 ? Math.min(REACHED, Math.max(LEAST_REACHED, 0.6 * c)) : REACHED);
  }

  /** How many times as fast as the verify lane alone, which never waits for the host, the rule expects to be. */
  get #gain(): number | undefined {
    const { costs } = this.#estimates;
    const aloneMs = costs.verifyMs(1, false);
    if (!aloneMs || !this.#value) return undefined;
    return this.#value.rate * aloneMs / costs.strain / (1 + UNQUEUED * this.#turnaroundMs / aloneMs);
  }

  get #rate(): number {
    return this.#rateFactor * this.#value!.rate;
  }

  /** How many of the tokens are worth most to take, if the token before them is what they were drafted after with a chance of `isRight`. */
  #best(chances: readonly number[], isRight = 1): { count: number; worth: number } {
    const mean = Math.min(this.#estimates.predictor.mean, SUREST);
    let best = { count: 0, worth: -Infinity };
    let expected = 1;
    let reached = isRight;
    for (let count = 0; count <= chances.length && count < MAX_ROWS; count++) {
      if (count > 0) expected += reached;
      const ms = this.#verifyMs[count + 1]!;
      reached *= chances[count] ?? mean;
      const drafted = Math.max(0, ms / this.#draftMs - Math.max(0, count + 1 - chances.length));
      let left = acceptedOf(drafted, mean);
      for (let i = chances.length - 1; i > count; i--) left = chances[i]! * (1 + left);
      // Of what follows a wrong guess: not before the host hears of it and a step in flight is done, nor too late to be sent.
      const anew = acceptedOf(Math.max(0, (ms - 2 * this.#turnaroundMs) / this.#draftMs - 2), mean);
      const worth = expected - this.#rate * ms + reached * this.#value!.value(left) +
        (1 - isRight) * mean * this.#value!.value(anew);
      if (worth > best.worth) best = { count, worth };
    }
    return best;
  }

  #evaluate(): LaunchPolicy | undefined {
    this.#isDue = false;
    const { costs, predictor } = this.#estimates;
    const draftMs = costs.draftMs();
    if (draftMs === undefined || costs.verifyMs(1) === undefined) return undefined;
    this.#verifyMs = Array.from(
      { length: MAX_ROWS + 1 },
      (_, n) => n === 0 ? 0 : Math.max(costs.verifyMs(n)!, LEAST_MS),
    );
    // A draft without a device takes no time at all.
    this.#draftMs = Math.max(draftMs + costs.turnaroundMs("draft"), this.#verifyMs[1]! / 1000, LEAST_MS);
    return solveLaunchPolicy({
      acceptance: predictor.mean,
      draftMs: this.#draftMs,
      verifyMs: this.#verifyMs,
      staleSteps: 0.5,
    });
  }
}
