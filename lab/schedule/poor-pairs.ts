/**
 * Whether amusd is ever slower than greedy: pairs whose drafts are of little use, simulated over the acceptance, the
 * times of draft steps and verifications, the turnaround L of the verify lane, and the contention: how many times as
 * long the verify lane takes while the draft lane works on the same device. `deno run -A lab/schedule/poor-pairs.ts`
 * takes about two minutes. README.md has the figures.
 *
 * For each length of the texts, contention, and whether the draft's confidence tells anything, it prints the geometric
 * mean of the speed-ups, how many are below 0.98, and the three least.
 */
import { sharedSpeedup } from "../../tests/spec/schedule/shared-device.ts";

const LENGTHS = [{ texts: 10, tokens: 64 }, { texts: 2, tokens: 400 }];

console.log("| tokens | contention | confidence | mean | below 0.98 | least |");
console.log(`|${"---|".repeat(6)}`);
for (const length of LENGTHS) {
  for (const contention of [1, 1.1, 1.3]) {
    for (const isBoastful of [false, true]) {
      const found: { speedup: number; where: string }[] = [];
      for (const a of [0, 0.1, 0.3, 0.5]) {
        for (const c of [0.02, 0.1, 0.25, 0.5, 1]) {
          for (const beta of [0, 0.1, 0.4, 1]) {
            for (const turnaround of [0, 0.1, 0.3]) {
              const point = { a, c, beta, contention, isBoastful, turnaround };
              const where = `a ${a}, c ${c}, beta ${beta}, L ${turnaround}`;
              found.push({ speedup: await sharedSpeedup(point, length), where });
            }
          }
        }
      }
      found.sort((one, other) => one.speedup - other.speedup);
      const mean = Math.exp(found.reduce((sum, { speedup }) => sum + Math.log(speedup), 0) / found.length);
      const below = found.filter(({ speedup }) => speedup < 0.98).length;
      const least = found.slice(0, 3).map(({ speedup, where }) => `${speedup.toFixed(3)} (${where})`).join("; ");
      const confidence = isBoastful ? "says nothing" : "tells";
      const cells = [length.tokens, contention, confidence, mean.toFixed(3), `${below} of ${found.length}`, least];
      console.log(`| ${cells.join(" | ")} |`);
    }
  }
}
