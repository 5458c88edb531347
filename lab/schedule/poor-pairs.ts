/**
 * Whether amusd is ever slower than greedy: pairs whose drafts are of little use, simulated over acceptance, td, tv(n), the turnaround L of the verify lane, and what a
 * working draft lane costs the verify lane on a device that both share (drag): `deno run -A lab/schedule/poor-pairs.ts`, about two minutes. What it printed: README.md.
 *
 * For each length of the texts, drag, and whether the draft's confidence tells anything: geometric mean of the speed-ups, how many are below 0.98, and the three least.
 */
import { sharedSpeedup } from "./shared-device.ts";

const LENGTHS = [{ texts: 10, tokens: 64 }, { texts: 2, tokens: 400 }];

console.log("| tokens | drag | confidence | mean | below 0.98 | least |");
console.log(`|${"---|".repeat(6)}`);
for (const length of LENGTHS) {
  for (const drag of [1, 1.1, 1.3]) {
    for (const isBoastful of [false, true]) {
      const found: { speedup: number; where: string }[] = [];
      for (const a of [0, 0.1, 0.3, 0.5]) {
        for (const c of [0.02, 0.1, 0.25, 0.5, 1]) {
          for (const beta of [0, 0.1, 0.4, 1]) {
            for (const turnaround of [0, 0.1, 0.3]) {
              const point = { a, c, beta, drag, isBoastful, turnaround };
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
      console.log(
        `| ${length.tokens} | ${drag} | ${confidence} | ${mean.toFixed(3)} | ${below} of ${found.length} | ${least} |`,
      );
    }
  }
}
