/**
 * What a better draft model would bring on two cores: amusd over greedy by the draft's acceptance and the time of its
 * step, with the embedded verify model's times, simulated with all that lies between (`busy-machine.ts`, quiet). Usage:
 * `deno run -A lab/schedule/better-draft.ts [TEXTS] [TOKENS]`.
 */
import process from "node:process";
import { GREEDY, HEDGED } from "../../src/plan/simulate.ts";
import { BUSY_MACHINES, DRAFT_MS, sharedCoresMs } from "../../tests/spec/schedule/shared-cores.ts";
import { sum } from "../../src/util/numbers.ts";

const [texts, tokens] = [Number(process.argv[2] ?? 40), Number(process.argv[3] ?? 96)];
const DRAFTS_MS = [1, 2, DRAFT_MS, 4];
const ACCEPTANCES = [0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8];

console.log(`| acceptance | ${DRAFTS_MS.map((ms) => `${ms} ms a draft step`).join(" | ")} |`);
console.log(`|${"---|".repeat(DRAFTS_MS.length + 1)}`);
for (const acceptance of ACCEPTANCES) {
  const cells = [];
  for (const draftMs of DRAFTS_MS) {
    const machine = { others: BUSY_MACHINES.quiet!, acceptances: [acceptance], texts, tokens, seed: 1, draftMs };
    const [greedyMs, amusdMs] = [await sharedCoresMs(machine, GREEDY), await sharedCoresMs(machine, HEDGED)];
    cells.push((sum(greedyMs) / sum(amusdMs)).toFixed(2));
  }
  console.log(`| ${[acceptance, ...cells].join(" | ")} |`);
}
