/**
 * The gain of queued verifications over none, simulated over the turnaround L of the verify lane (from the device's end
 * to the next one's begin, a fourth of it for the draft lane), in one-row verifications, beside the grid's a, c and
 * beta: `deno run -A lab/schedule/turnaround.ts`. README.md has the figures.
 */
import { AdaptiveLaunch } from "../../src/spec/schedule/adaptive-launch.ts";
import { HEDGED, type Setting } from "../../src/plan/simulate.ts";
import { speedup } from "./speedup.ts";

const TOKENS = 2000;
const TURNAROUNDS = [0.05, 0.15, 0.3];
const ACCEPTANCES = [0.6, 0.8];

class Unqueued extends AdaptiveLaunch {
  override queueNext(): null {
    return null;
  }
}
const unqueued: Setting = { ...HEDGED, launchRule: (estimates, clock) => new Unqueued(estimates, clock) };

console.log(`| beta | c | ${TURNAROUNDS.flatMap((L) => ACCEPTANCES.map((a) => `L ${L}, a ${a}`)).join(" | ")} |`);
console.log(`|${"---|".repeat(2 + TURNAROUNDS.length * ACCEPTANCES.length)}`);
const ratios: number[] = [];
for (const beta of [0, 0.05, 0.15, 0.4]) {
  for (const c of [0.1, 0.25, 0.5]) {
    const cells: string[] = [];
    for (const L of TURNAROUNDS) {
      for (const a of ACCEPTANCES) {
        const point = { a, c, beta };
        const ratio = await speedup(HEDGED, point, TOKENS, L) / await speedup(unqueued, point, TOKENS, L);
        ratios.push(ratio);
        cells.push(ratio.toFixed(3));
      }
    }
    console.log(`| ${beta} | ${c} | ${cells.join(" | ")} |`);
  }
}
const mean = Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length);
console.log(`geometric mean ${mean.toFixed(3)}, least ${Math.min(...ratios).toFixed(3)}`);
