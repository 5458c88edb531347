import { type Setting, simulateRun } from "../../src/plan/simulate.ts";
import { betaAcceptance } from "../../src/plan/simulated-pair.ts";
import { hardwareOf, type Point } from "../../tests/spec/schedule/point.ts";

const SEED = 7;

/**
 * Simulated speed over greedy's. `turnaround` is the time from the verify device's end to the host's knowing, in
 * one-row verifications; the draft device's is a fourth of that.
 */
export async function speedup(setting: Setting, point: Point, tokens: number, turnaround = 0): Promise<number> {
  const run = await simulateRun(setting, hardwareOf(point, turnaround), betaAcceptance(point.a), tokens, SEED);
  return 1 / run.summary.msPerToken!;
}
