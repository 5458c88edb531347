import { MAX_ROWS } from "../lanes/lane.ts";

/** Pending tokens that are told apart; more are worth as much. */
const MOST = 32;

export interface LaunchCosts {
  /** Chance of a drafted token to be accepted, given those before it. */
  readonly acceptance: number;
  /** td and tv(n), by n: in ms. */
  readonly draftMs: number;
  readonly verifyMs: readonly number[];
  /** Useless steps that the draft lane still has to finish after a rejection, on average. */
  readonly staleSteps: number;
}

export interface LaunchPolicy {
  /** Committed tokens a ms under the best rule. */
  readonly rate: number;
  /** What pending tokens are worth beyond none, in committed tokens, by how many of them are expected to be accepted. */
  readonly value: (expected: number) => number;
}

/**
 * What the best launch rule earns, and what pending tokens are worth to it, in committed tokens more than none are. A semi-Markov decision
 * process: the state is how many tokens are pending as the verify lane falls idle; it waits for one more draft, or takes k of them, which commits 1 + a + ... +
 * a^k tokens, while the draft goes on for tv(k + 1); if all were right and the bonus is the draft's own next token, what it has drafted since is pending, else nothing.
 * The rate is the one at which the best cycle from nothing to nothing earns just its time (Howard's average reward criterion), found by Newton's method
 * (Dinkelbach, "On nonlinear fractional programming", Management Science 13, 1967): the next guess is what the best cycle at the last one earned.
 */
export function solveLaunchPolicy(costs: LaunchCosts): LaunchPolicy {
  const { verifyMs } = costs;
  const a = Math.min(costs.acceptance, 0.995);
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
  // More pending tokens are worth no less: what falls is what the sweeps have not settled.
  const settled = values.slice();
  for (let n = 2; n <= MOST; n++) settled[n] = Math.max(settled[n]!, settled[n - 1]!);
  // A chain of so many average tokens has as many that are expected to be accepted as one of fewer that are surer.
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

const SWEEPS = 12;
const NEWTON_STEPS = 20;
const TOLERANCE = 1e-5;
// Not in the function, which runs while a lane waits: V8 forgets what it compiled for closures that are gone.
/** By drafted tokens that a verification takes: what it commits, the chance that all are right and the bonus is the draft's, what is drafted meanwhile. */
const committed = new Float64Array(MAX_ROWS);
const survives = new Float64Array(MAX_ROWS);
const drafted = new Float64Array(MAX_ROWS);
/** By pending tokens, of the best way from there to none: what it commits, what it takes, and what it commits beyond its time's worth. */
const tokens = new Float64Array(MOST + 1);
const ms = new Float64Array(MOST + 1);
const values = new Float64Array(MOST + 1);

/** What the best cycle from nothing commits a ms, best where time is valued at `rate`. */
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

/** A figure of so many pending tokens. Nothing pending is where a cycle ends: 0. */
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
