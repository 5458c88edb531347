import { MAX_ROWS } from "../lanes/lane.ts";

/** The policy tells numbers of pending tokens apart up to this one; more are worth as much. */
const MOST = 32;
/** No average token is surer: with a chance of 1 the sums below have no end. */
const SUREST = 0.995;

export interface LaunchCosts {
  /** The chance that a drafted token is accepted, given that those before it are. */
  readonly acceptance: number;
  /** The time of a draft step, in ms. */
  readonly draftMs: number;
  /** The time of a verification, in ms, by its rows from 0 to MAX_ROWS. */
  readonly verifyMs: readonly number[];
  /** Useless steps that the draft lane still has to finish after a rejection, on average. */
  readonly staleSteps: number;
}

export interface LaunchPolicy {
  /** Tokens that the best rule commits, per ms. */
  readonly rate: number;
  /**
   * How much more pending tokens are worth than none, in committed tokens, by how many of them are expected to be
   * accepted.
   */
  readonly value: (expected: number) => number;
}

/**
 * Finds what the best launch rule earns, and what pending tokens are worth to that rule, in committed tokens more than
 * none are.
 *
 * It solves a semi-Markov decision process. The state is how many tokens are pending as the verify lane falls idle. The
 * rule waits for one more draft, or takes k of the pending tokens, which commits 1 + a + ... + a^k tokens (a is the
 * acceptance) while the draft goes on for verifyMs[k + 1]. If all were right and the bonus is the draft's own next
 * token, all that was drafted meanwhile is pending, else nothing. The rate is the one at which the best cycle from
 * nothing to nothing earns just its time (Howard's average reward criterion). It is found by Newton's method
 * (Dinkelbach, "On nonlinear fractional programming", Management Science 13, 1967): the next guess is what the best
 * cycle at the last guess earned.
 */
export function solveLaunchPolicy(costs: LaunchCosts): LaunchPolicy {
  const { verifyMs } = costs;
  const a = Math.min(costs.acceptance, SUREST);
  for (let k = 0; k < MAX_ROWS; k++) {
    committed[k] = (1 - a ** (k + 1)) / (1 - a);
    survives[k] = a ** (k + 1);
    drafted[k] = verifyMs[k + 1]! / costs.draftMs;
  }
  let rate = 1 / verifyMs[1]!;
  for (let step = 0; step < NEWTON_STEPS; step++) {
    const earned = earnedAt(rate, costs);
    if (earned <= rate * (1 + TOLERANCE)) break;
    rate = earned;
  }
  // More pending tokens are worth no less: where the values fall, the sweeps have not settled.
  const settled = values.slice();
  for (let n = 2; n <= MOST; n++) settled[n] = Math.max(settled[n]!, settled[n - 1]!);
  // A path of average tokens stands for any path on which as many tokens are expected to be accepted.
  const full = MAX_ROWS - 1;
  const slope = (at(settled, full) - at(settled, full - 1)) / a ** full;
  return {
    rate,
    value: (expected) => {
      const beyond = Math.max(0, expected - acceptedOf(full, a));
      return beyond > 0
        ? at(settled, full) + slope * Math.min(beyond, full)
        : at(settled, Math.log1p(-expected * (1 - a) / a) / Math.log(a));
    },
  };
}

/** Passes over the states at one rate, the most pending tokens first. */
const SWEEPS = 12;
/** The most steps of Newton's method; a few are enough. */
const NEWTON_STEPS = 20;
/** The share by which a step has to raise the rate for another step to be made. */
const TOLERANCE = 1e-5;
// These tables aren't in the function, which runs while a lane waits: V8 forgets what it compiled for closures that are
// gone. The first three go by the number of drafted tokens that a verification takes.
/** The tokens that the verification is expected to commit. */
const committed = new Float64Array(MAX_ROWS);
/** The chance that all its tokens are right and the bonus is the draft's. */
const survives = new Float64Array(MAX_ROWS);
/** The tokens that are drafted meanwhile. */
const drafted = new Float64Array(MAX_ROWS);
// The next three go by the number of pending tokens, and are about the best way from there to none.
/** The tokens that it commits. */
const tokens = new Float64Array(MOST + 1);
/** The time that it takes, in ms. */
const ms = new Float64Array(MOST + 1);
/** The tokens that it commits beyond its time's worth. */
const values = new Float64Array(MOST + 1);

/** The tokens per ms of the cycle from nothing to nothing that is best where time is valued at `rate`. */
function earnedAt(rate: number, { draftMs, verifyMs, staleSteps }: LaunchCosts): number {
  tokens.fill(0);
  ms.fill(0);
  values.fill(0);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    for (let n = MOST; n >= 0; n--) {
      const waitMs = draftMs * (n === 0 ? 1 + staleSteps : 1);
      let best = n < MOST ? values[n + 1]! - rate * waitMs : -Infinity;
      let taken = -1;
      for (let k = 0; k <= n && k < MAX_ROWS; k++) {
        const worth = committed[k]! - rate * verifyMs[k + 1]! + survives[k]! * at(values, n + drafted[k]! - k - 1);
        if (worth > best) [best, taken] = [worth, k];
      }
      values[n] = best;
      if (taken < 0) {
        tokens[n] = tokens[n + 1]!;
        ms[n] = ms[n + 1]! + waitMs;
      } else {
        const left = n + drafted[taken]! - taken - 1;
        tokens[n] = committed[taken]! + survives[taken]! * at(tokens, left);
        ms[n] = verifyMs[taken + 1]! + survives[taken]! * at(ms, left);
      }
    }
  }
  return tokens[0]! / ms[0]!;
}

/** A table's figure for `pending` tokens, on a line between whole numbers. A cycle ends with nothing pending: 0. */
function at(figures: Float64Array, pending: number): number {
  const bounded = Math.min(MOST, Math.max(0, pending));
  const below = Math.min(Math.floor(bounded), MOST - 1);
  const low = below === 0 ? 0 : figures[below]!;
  return low + (bounded - below) * (figures[below + 1]! - low);
}

/** How many of `count` tokens, each accepted with chance `a` if those before it are, are expected to be accepted. */
export function acceptedOf(count: number, a: number): number {
  return a * (1 - a ** count) / (1 - a);
}
