/**
 * PipeSpec's measured runs beside the simulation's: each replayed from its own draft step's time, and foretold from one
 * run; then `amusd` as it is here on the same hardware: `deno run -A lab/schedule/pipespec.ts`. The figures are in
 * docs/internals/schedule.md.
 */
import { HEDGED, PUBLISHED, simulateRun, UNHEDGED } from "../../src/plan/simulate.ts";
import { betaAcceptance } from "../../src/plan/simulated-pair.ts";
import { sum } from "../../src/util/numbers.ts";
import {
  acceptanceIn,
  chainHardware,
  chainRun,
  hardwareOf,
  lookaheadOf,
  measuredMs,
  ours,
  pairRuns,
  PIPESPEC_PAIRS,
  replay,
} from "../../tests/plan/pipespec.ts";

const ms = (value: number) => value.toFixed(2);
const off = (value: number, wanted: number) =>
  `${value > wanted ? "+" : ""}${(100 * (value / wanted - 1)).toFixed(1)} %`;

console.log("| models | strategy | lookahead | measured | replayed | off by | foretold | off by |");
console.log("|---|---|---|---|---|---|---|---|");
for (const [draft, verify] of PIPESPEC_PAIRS) {
  const runs = pairRuns(draft, verify);
  const acceptance = acceptanceIn(runs);
  const fit = runs.find(({ strategy, lookahead }) => strategy === "chain" && lookahead === (verify === "8B" ? 5 : 8))!;
  for (const run of runs.toSorted((a, b) => a.strategy.localeCompare(b.strategy) || a.lookahead - b.lookahead)) {
    const measured = measuredMs(run);
    const replayed = await replay(run, hardwareOf(run.stepMs[0]!, runs), acceptance);
    const foretold = await replay(run, hardwareOf(fit.stepMs[0]!, [fit]), acceptanceIn([fit]), { rest: fit });
    console.log(
      `| ${draft}, ${verify} | ${run.strategy} | ${lookaheadOf(run)} | ${ms(measured)} | ${ms(replayed)} | ${
        off(replayed, measured)
      } | ${ms(foretold)} | ${off(foretold, measured)} |`,
    );
  }
}

console.log("\n| models | their best | steps ahead | published | unhedged | hedged |");
console.log("|---|---|---|---|---|---|");
for (const [draft, verify] of PIPESPEC_PAIRS) {
  const runs = pairRuns(draft, verify);
  const best = runs.toSorted((a, b) => measuredMs(a) - measuredMs(b))[0]!;
  for (const stepsAhead of [1, 2] as const) {
    const { draft: lane, verify: other } = hardwareOf(best.stepMs[0]!, runs);
    const hardware = { draft: { ...lane, stepsAhead }, verify: other };
    const times = [];
    for (const setting of [PUBLISHED, UNHEDGED, HEDGED]) {
      times.push(ms(await ours(setting, hardware, best, runs)));
    }
    console.log(`| ${draft}, ${verify} | ${ms(measuredMs(best))} | ${stepsAhead} | ${times.join(" | ")} |`);
  }
}

// Their texts do not tell how sure the draft was. If it knew its chances:
const texts = pairRuns("1B", "8B");
const best = texts.toSorted((a, b) => measuredMs(a) - measuredMs(b))[0]!;
const tokens = sum(best.samples.map(({ tokens }) => tokens));
const restMs = sum(best.samples.map(({ restMs }) => restMs)) / tokens;
for (const setting of [UNHEDGED, HEDGED]) {
  const { summary } = await simulateRun(setting, hardwareOf(best.stepMs[0]!, texts), betaAcceptance(0.94), 20_000, 1);
  console.log(`${setting.name}, chances of .94 that it knows: ${ms(summary.msPerToken! + restMs)} ms a token`);
}

console.log("\n| 1B, 8B, 70B | measured | replayed | ours, published | ours, unhedged |");
console.log("|---|---|---|---|---|");
const [drafts, middles] = [pairRuns("1B", "70B"), pairRuns("8B", "70B")];
for (const strategy of ["chain", "async-chain"] as const) {
  const run = chainRun(strategy);
  const hardware = chainHardware(run);
  const times = [await replay(run, hardware, acceptanceIn(drafts), { middle: acceptanceIn(middles) })];
  for (const setting of [PUBLISHED, UNHEDGED]) times.push(await ours(setting, hardware, run, drafts, middles));
  console.log(`| ${strategy} | ${ms(measuredMs(run))} | ${times.map(ms).join(" | ")} |`);
}
