/**
 * The original program's figures beside the simulation's: its two sample files from their own times and accepted tokens, and the three rows of the paper's table, for which
 * the acceptance is fitted on the sd column and the amusd column predicted: `deno run -A lab/schedule/paper.ts`. What it printed: docs/internals/schedule.md.
 */
import { GREEDY, HEDGED, PUBLISHED, sdOf, type Setting, simulateRun } from "../../src/plan/simulate.ts";
import { type Acceptance, betaAcceptance } from "../../src/plan/simulated-pair.ts";
import { acceptanceOf, ORIGINAL_SAMPLES, originalHardware } from "../../tests/plan/original-samples.ts";

const TOKENS = 6000;
const SEED = 1;

interface Times {
  readonly draftMs: number;
  readonly oneMs: number;
  readonly sixMs: number;
}

async function msPerToken(
  setting: Setting,
  { draftMs, oneMs, sixMs }: Times,
  acceptance: Acceptance,
  tokens = TOKENS,
): Promise<number> {
  const hardware = originalHardware(draftMs, oneMs, sixMs);
  return (await simulateRun(setting, hardware, acceptance, tokens, SEED)).summary.msPerToken!;
}

/** All chances are the mean. */
const evenly = (a: number) => betaAcceptance(a, { concentration: Infinity });

/** The acceptance at which the simulated sd takes so long. */
async function fit(times: Times, sdMs: number): Promise<number> {
  let [low, high] = [0.5, 0.999];
  for (let i = 0; i < 12; i++) {
    const a = (low + high) / 2;
    if (await msPerToken(sdOf(5), times, evenly(a)) > sdMs) low = a;
    else high = a;
  }
  return (low + high) / 2;
}

// The paper's table 1. Its clocks include the prefill but for sd's: what greedy takes beyond 22.1 ms is a token's share of it.
const rows = [
  { name: "HumanEval", greedyMs: 22.15, sdMs: 17.88, amusdMs: 14.08 },
  { name: "MT-Bench", greedyMs: 21.89, sdMs: 20.64, amusdMs: 16.75 },
  { name: "RefactorChat", greedyMs: 27.42, sdMs: 19.18, amusdMs: 13.96 },
];
const DRAFT_MS = 11.7;
const VERIFY = { oneMs: 22.1, sixMs: 25.5 };

console.log(
  "| | a | greedy | sd, theirs | sd, simulated | amusd, theirs | published rule, simulated | off by | `amusd` as it is here, simulated |",
);
console.log("|---|---|---|---|---|---|---|---|---|");
const show = (name: string, a: number, figures: readonly number[]) => {
  const [greedy, sdTheirs, sdOurs, theirs, ours, best] = figures as [number, number, number, number, number, number];
  const ms = (value: number) => value.toFixed(2);
  const off = `${ours > theirs ? "+" : ""}${(100 * (ours / theirs - 1)).toFixed(1)} %`;
  console.log(
    `| ${name} | ${a.toFixed(3)} | ${[greedy, sdTheirs, sdOurs, theirs, ours].map(ms).join(" | ")} | ${off} | ${
      ms(best)
    } |`,
  );
};
for (const sample of ORIGINAL_SAMPLES) {
  const { name, tokens, oneMs, sixMs, sdDraftMs, amusdDraftMs, sdMs, amusdMs } = sample;
  const acceptance = acceptanceOf(sample);
  const of = (setting: Setting, draftMs: number) => msPerToken(setting, { draftMs, oneMs, sixMs }, acceptance, tokens);
  const a = acceptance.draws.reduce((sum, { chance }) => sum + chance, 0) / tokens;
  const [sd, published, best] = [
    await of(sdOf(5), sdDraftMs),
    await of(PUBLISHED, amusdDraftMs),
    await of(HEDGED, amusdDraftMs),
  ];
  show(name, a, [await of(GREEDY, sdDraftMs), sdMs, sd, amusdMs, published, best]);
}
for (const { name, greedyMs, sdMs, amusdMs } of rows) {
  const times = { draftMs: DRAFT_MS, ...VERIFY };
  const a = await fit(times, sdMs);
  const shareMs = Math.max(0, greedyMs - VERIFY.oneMs);
  show(name, a, [
    greedyMs,
    sdMs,
    await msPerToken(sdOf(5), times, evenly(a)),
    amusdMs,
    await msPerToken(PUBLISHED, times, evenly(a)) + shareMs,
    await msPerToken(HEDGED, times, evenly(a)) + shareMs,
  ]);
}
