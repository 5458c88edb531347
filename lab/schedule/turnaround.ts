/**
 * What queued verifications gain over none, simulated over the turnaround L of the verify lane (from the device's end to the next one's begin, a fourth of it for the
 * draft lane), in tv(1), beside the grid's a, c and beta: `deno run -A lab/schedule/turnaround.ts`. What it printed: README.md.
 */
import { BestLaunch } from "../../src/spec/best-launch.ts";
import { HEDGED, type Setting, simulateRun } from "../../src/plan/simulate.ts";
import { betaAcceptance } from "../../src/plan/simulated-pair.ts";

const TOKENS = 2000;
const SEED = 7;
const TURNAROUNDS = [0.05, 0.15, 0.3];
const ACCEPTANCES = [0.6, 0.8];
const rows = Array.from({ length: 17 }, (_, n) => n);

class Unqueued extends BestLaunch {
  override chain(): null {
    return null;
  }
}
const unqueued: Setting = { ...HEDGED, launchRule: (estimates, clock) => new Unqueued(estimates, clock) };

async function msPerToken(setting: Setting, a: number, c: number, beta: number, L: number): Promise<number> {
  const hardware = {
    draft: { passMs: rows.map(() => c), prefillMs: 0, latencyMs: L / 4, stepsAhead: 1 as const },
    verify: { passMs: rows.map((n) => 1 + beta * (n - 1)), prefillMs: 0, latencyMs: L },
  };
  return (await simulateRun(setting, hardware, betaAcceptance(a), TOKENS, SEED)).summary.msPerToken!;
}

console.log(`| beta | c | ${TURNAROUNDS.flatMap((L) => ACCEPTANCES.map((a) => `L ${L}, a ${a}`)).join(" | ")} |`);
console.log(`|${"---|".repeat(2 + TURNAROUNDS.length * ACCEPTANCES.length)}`);
const ratios: number[] = [];
for (const beta of [0, 0.05, 0.15, 0.4]) {
  for (const c of [0.1, 0.25, 0.5]) {
    const cells: string[] = [];
    for (const L of TURNAROUNDS) {
      for (const a of ACCEPTANCES) {
        const ratio = await msPerToken(unqueued, a, c, beta, L) / await msPerToken(HEDGED, a, c, beta, L);
        ratios.push(ratio);
        cells.push(ratio.toFixed(3));
      }
    }
    console.log(`| ${beta} | ${c} | ${cells.join(" | ")} |`);
  }
}
const mean = Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length);
console.log(`geometric mean ${mean.toFixed(3)}, least ${Math.min(...ratios).toFixed(3)}`);
