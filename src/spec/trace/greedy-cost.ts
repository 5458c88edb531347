import type { OneRowTimes } from "./summary.ts";

/** The mean of fewer times may be that of a moment: they count where they agree with other costs, to that factor. */
const LEAST_TIMES = 3;
const AGREEMENT = 1.25;

/**
 * What a token takes the verify lane by itself, in ms: by `usualMs`, as `Costs.verifyMs(1, false)` has it, which may be
 * of a shorter text or of a moment at which the machine was slow, and by a run's own passes of one row. null where too
 * little was measured, or does not agree.
 */
export function greedyCost(usualMs: number | undefined, { count, leastMs, sumMs }: OneRowTimes): number | null {
  if (!usualMs || count === 0) return null;
  if (count >= LEAST_TIMES) return Math.max(leastMs, Math.min(usualMs, sumMs / count));
  const [less, more] = usualMs < leastMs ? [usualMs, leastMs] : [leastMs, usualMs];
  return more <= AGREEMENT * less ? less : null;
}
