import type { OneRowTimes } from "./summary.ts";

/** The mean of fewer times may be that of a slow moment: they count only where they agree with the usual cost. */
const LEAST_TIMES = 3;
/** Costs agree if the larger is at most this many times the smaller. */
const AGREEMENT = 1.25;

/**
 * The verify lane's time for a token by itself, in ms. It follows from a run's own passes of one row and from
 * `usualMs`, which is `Costs.verifyMs(1, false)` and may be that of a shorter text or of a slow moment of the machine.
 * null where too little was measured, or where the two do not agree.
 */
export function greedyCost(usualMs: number | undefined, { count, leastMs, sumMs }: OneRowTimes): number | null {
  if (!usualMs || count === 0) return null;
  if (count >= LEAST_TIMES) return Math.max(leastMs, Math.min(usualMs, sumMs / count));
  const [less, more] = usualMs < leastMs ? [usualMs, leastMs] : [leastMs, usualMs];
  return more <= AGREEMENT * less ? less : null;
}
