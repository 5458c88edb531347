/**
 * Speed-ups over greedy of the launch rules, simulated over the acceptance a, the time c of a draft step in one-row
 * verifications, and the share beta that each further row adds to a verification's time. The draft knows its chances,
 * which are Beta(a, 1 - a) distributed, and its second choice is right in half of the mismatches:
 * `deno run -A lab/schedule/grid.ts [--search]`. With --search the best of the rule's own thresholds is sought at each
 * point. No step is cut short. grid.md has the figures.
 */
import { parseArgs } from "node:util";
import process from "node:process";
import { AdaptiveLaunch } from "../../src/spec/schedule/adaptive-launch.ts";
import { fixedOf, HEDGED, LOOKAHEADS, PUBLISHED, sdOf, type Setting, UNHEDGED } from "../../src/plan/simulate.ts";
import type { Point } from "../../tests/spec/schedule/point.ts";
import { speedup } from "./speedup.ts";

const { values: flags } = parseArgs({ options: { search: { type: "boolean", default: false } } });
const TOKENS = 3000;
const FIXED = [1, 2, 3, 4, 6, 8];

async function most(settings: readonly Setting[], point: Point): Promise<number> {
  let best = 0;
  for (const setting of settings) best = Math.max(best, await speedup(setting, point, TOKENS));
  return best;
}

/** The rule with other thresholds than those that ship. */
const searched = [0.03, 0.1, 0.2].flatMap((reached) =>
  [0.85, 1, 1.15].flatMap((rateFactor) =>
    [0.2, 0.5, 0.8].map((reachedLate): Setting => ({
      ...HEDGED,
      launchRule: (estimates, clock) => new AdaptiveLaunch(estimates, clock, { reached, rateFactor, reachedLate }),
    }))
  )
);

console.log(
  "| beta | c | a | sd, best window | published | fixed, best N | adaptive | with hedges | linear bound |" +
    (flags.search ? " share of its best thresholds |" : ""),
);
console.log(`|---|---|---|---|---|---|---|---|---|${flags.search ? "---|" : ""}`);
let [worstOther, worstSearch] = [Infinity, Infinity];
for (const beta of [0, 0.1, 0.2, 0.4]) {
  for (const c of [0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1]) {
    for (const a of [0.6, 0.7, 0.8, 0.9]) {
      const point = { a, c, beta };
      if (process.stderr.isTTY) process.stderr.write(`\r\x1b[Kbeta ${beta}, c ${c}, a ${a}`);
      const sd = await most(LOOKAHEADS.slice(0, 12).map(sdOf), point);
      const [published, fixed] = [await speedup(PUBLISHED, point, TOKENS), await most(FIXED.map(fixedOf), point)];
      const [unhedged, hedged] = [await speedup(UNHEDGED, point, TOKENS), await speedup(HEDGED, point, TOKENS)];
      worstOther = Math.min(worstOther, hedged / Math.max(sd, published, fixed, unhedged));
      const figures = [sd, published, fixed, unhedged, hedged, 1 / (1 - a + a * c)];
      const cells = [beta, c, a, ...figures.map((x) => x.toFixed(2))];
      if (flags.search) {
        const share = hedged / Math.max(hedged, await most(searched, point));
        worstSearch = Math.min(worstSearch, share);
        cells.push(share.toFixed(3));
      }
      console.log(`| ${cells.join(" | ")} |`);
    }
  }
}
if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
console.log(`\nadaptive with hedges is at least ${worstOther.toFixed(3)} of any other column's best, at every point`);
if (flags.search) console.log(`and at least ${worstSearch.toFixed(3)} of what the best of its thresholds gives`);
