import { ALL_ROWS } from "../../../src/spec/schedule/costs.ts";
import type { SimulatedHardware } from "../../../src/plan/simulate.ts";

/** A pair of lanes to simulate. Times are relative: a verification of one row takes 1 ms. */
export interface Point {
  /** Acceptance. */
  readonly a: number;
  /** The time of a draft step over that of a one-row verification. */
  readonly c: number;
  /** The time that each further row adds to a verification, over that of a one-row one. */
  readonly beta: number;
}

/**
 * Lanes with these times. `verifyLatencyMs` is the time from the verify device's end to the host's knowing; by default
 * the draft device's is a fourth of that.
 */
export function hardwareOf(
  { c, beta }: Point,
  verifyLatencyMs = 0,
  draftLatencyMs: number = verifyLatencyMs / 4,
): SimulatedHardware {
  const rows = [0, ...ALL_ROWS];
  return {
    verify: { passMs: rows.map((n) => 1 + beta * (n - 1)), prefillMs: 0, latencyMs: verifyLatencyMs },
    draft: { passMs: rows.map(() => c), prefillMs: 0, latencyMs: draftLatencyMs, stepsAhead: 1 },
  };
}
