import { MAX_ROWS } from "./lane.ts";

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

export interface LaunchValue {
  /** Committed tokens a ms under the best rule. */
  readonly rate: number;
  /** What pending tokens are worth beyond none, in committed tokens, by how many of them are expected to be accepted. */
  readonly value: (expected: number) => number;
}

/**
 * What the best launch rule earns, and what pending tokens are worth to it, in committed tokens more than none are. A semi-Markov decision
 * process: the state is how many tokens are pending as the verify lane falls idle; it waits for one more draft, or takes k of them, which commits 1 + a + ... +
 * a^k tokens, while the draft goes on for tv(k + 1); if all were right and the bonus is the draft's own next token, what it has drafted since is pending, else nothing.
 * The rate is the one at which the best cycle from nothing to nothing earns just its time (Howard's average reward criterion), found by bisection.
 */
export function launchValue({ acceptance, draftMs, verifyMs, staleSteps }: LaunchCosts): LaunchValue {
  const a = Math.min(acceptance, 0.995);
  const expected = Array.from({ length: MAX_ROWS }, (_, k) => (1 - a ** (k + 1)) / (1 - a));
  const survives = expected.map((_, k) => a ** (k + 1));
  const drafted = expected.map((_, k) => verifyMs[k + 1]! / draftMs);
  const values = new Float64Array(MOST + 1);
  const at = (pending: number) => {
    const bounded = Math.min(MOST, Math.max(0, pending));
    const below = Math.min(Math.floor(bounded), MOST - 1);
    // Nothing pending is where a cycle ends: worth 0.
    const low = below === 0 ? 0 : values[below]!;
    return low + (bounded - below) * (values[below + 1]! - low);
  };
  /** What the best cycle from nothing earns beyond its time at this rate. */
  const surplus = (rate: number) => {
    for (let sweep = 0; sweep < SWEEPS; sweep++) {
      for (let n = MOST; n >= 0; n--) {
        const waitMs = draftMs * (n === 0 ? 1 + staleSteps : 1);
        let best = n < MOST ? values[n + 1]! - rate * waitMs : -Infinity;
        for (let k = 0; k <= n && k < MAX_ROWS; k++) {
          const worth = expected[k]! - rate * verifyMs[k + 1]! + survives[k]! * at(n + drafted[k]! - k - 1);
          if (worth > best) best = worth;
        }
        values[n] = best;
      }
    }
    return values[0]!;
  };
  let low = 0;
  let high = Math.max(...expected.map((tokens, k) => tokens / verifyMs[k + 1]!));
  for (let i = 0; i < BISECTIONS; i++) {
    const middle = (low + high) / 2;
    values.fill(0);
    if (surplus(middle) > 0) low = middle;
    else high = middle;
  }
  const rate = low;
  values.fill(0);
  surplus(rate);
  // More pending tokens are worth no less: what falls is what the sweeps have not settled.
  for (let n = 1; n <= MOST; n++) values[n] = Math.max(values[n]!, n > 1 ? values[n - 1]! : 0);
  // A chain of so many average tokens has as many that are expected to be accepted as one of fewer that are surer.
  const full = MAX_ROWS - 1;
  const slope = (at(full) - at(full - 1)) / a ** full;
  return {
    rate,
    value: (expected) => {
      const beyond = Math.max(0, expected - acceptedOf(full, a));
      return beyond > 0
        ? at(full) + slope * Math.min(beyond, full)
        : at(Math.log1p(-expected * (1 - a) / a) / Math.log(a));
    },
  };
}

/** How many of `count` tokens, each accepted with chance `a` if those before it are, are expected to be accepted. */
export function acceptedOf(count: number, a: number): number {
  return a * (1 - a ** count) / (1 - a);
}

const SWEEPS = 12;
const BISECTIONS = 14;
