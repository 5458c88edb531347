import { type Setting, simulateRun } from "../../src/plan/simulate.ts";
import { betaAcceptance } from "../../src/plan/simulated-pair.ts";

/** Acceptance a, c = td / tv(1) and beta = (tv(n) - tv(1)) / ((n - 1) tv(1)). */
export interface Point {
  readonly a: number;
  readonly c: number;
  readonly beta: number;
}

const SEED = 7;

/** Simulated speed over greedy's. `turnaround`: of the verify lane, from the device's end to the host's knowing, in tv(1); a fourth of it for the draft lane. */
export async function speedup(
  setting: Setting,
  { a, c, beta }: Point,
  tokens: number,
  turnaround = 0,
): Promise<number> {
  const rows = Array.from({ length: 17 }, (_, n) => n);
  const hardware = {
    draft: { passMs: rows.map(() => c), prefillMs: 0, latencyMs: turnaround / 4, stepsAhead: 1 as const },
    verify: { passMs: rows.map((n) => 1 + beta * (n - 1)), prefillMs: 0, latencyMs: turnaround },
  };
  return 1 / (await simulateRun(setting, hardware, betaAcceptance(a), tokens, SEED)).summary.msPerToken!;
}
