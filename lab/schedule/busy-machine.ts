/**
 * amusd over greedy on two cores that other programs use too: texts of the embedded pair's acceptance, one engine for
 * all of them, simulated. Usage: `deno run -A lab/schedule/busy-machine.ts [TEXTS] [TOKENS]`.
 *
 * By machine and acceptance it prints the speed-up, greedy's by itself with another seed (the noise), and the least of
 * four engines.
 */
import process from "node:process";
import { GREEDY, HEDGED } from "../../src/plan/simulate.ts";
import { BUSY_MACHINES, sharedCoresMs } from "../../tests/spec/schedule/shared-cores.ts";
import { sum } from "../../src/util/numbers.ts";

const [texts, tokens] = [Number(process.argv[2] ?? 20), Number(process.argv[3] ?? 96)];
const ACCEPTANCES: Readonly<Record<string, readonly number[]>> = {
  "0.4 to 0.7": [0.4, 0.5, 0.6, 0.7, 0.45, 0.55, 0.65],
  "0.85": [0.85],
};

console.log("| machine | acceptance | amusd over greedy | least of four | greedy over greedy |");
console.log(`|${"---|".repeat(5)}`);
for (const [name, others] of Object.entries(BUSY_MACHINES)) {
  for (const [kind, acceptances] of Object.entries(ACCEPTANCES)) {
    const ratios: number[] = [];
    const same: number[] = [];
    for (let seed = 1; seed <= 4; seed++) {
      const machine = { others, acceptances, texts, tokens, seed };
      const greedyMs = sum(await sharedCoresMs(machine, GREEDY));
      ratios.push(greedyMs / sum(await sharedCoresMs(machine, HEDGED)));
      same.push(greedyMs / sum(await sharedCoresMs({ ...machine, seed: seed + 10 }, GREEDY)));
    }
    const mean = (values: readonly number[]) => sum(values) / values.length;
    const cells = [mean(ratios), Math.min(...ratios), mean(same)].map((value) => value.toFixed(3));
    console.log(`| ${[name, kind, ...cells].join(" | ")} |`);
  }
}
