import { test } from "uvu";
import * as assert from "uvu/assert";
import { UNHEDGED } from "../../src/plan/simulate.ts";
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
  PIPESPEC_RUNS,
  type PipespecRun,
  replay,
} from "./pipespec.ts";

/** The synchronous run from which all others are foretold: the program's default lookahead, or the only one. */
function fitted(runs: readonly PipespecRun[]): PipespecRun {
  return runs.find(({ strategy, lookahead }) => strategy === "chain" && lookahead === (runs.length > 2 ? 5 : 8))!;
}

function near(run: PipespecRun, ms: number, most: number): void {
  const [name, wanted] = [`${run.strategy} ${run.models} ${lookaheadOf(run)}`, measuredMs(run)];
  assert.ok(Math.abs(ms / wanted - 1) < most, `${name}: ${ms} ms a token, measured ${wanted}`);
}

test("PipeSpec's runs are all there", () => {
  assert.is(PIPESPEC_RUNS.length, 50);
  assert.equal(PIPESPEC_PAIRS.map(([draft, verify]) => pairRuns(draft, verify).length), [41, 2, 2]);
});

for (const [draft, verify] of PIPESPEC_PAIRS) {
  const runs = pairRuns(draft, verify);

  test(`${draft} for ${verify}: each of PipeSpec's runs is reproduced within 5 % from its step's time`, async () => {
    const acceptance = acceptanceIn(runs);
    for (const run of runs) near(run, await replay(run, hardwareOf(run.stepMs[0]!, runs), acceptance), 0.05);
  });

  test(`${draft} for ${verify}: one of PipeSpec's runs foretells the others within 10 %`, async () => {
    const fit = fitted(runs);
    const [hardware, acceptance] = [hardwareOf(fit.stepMs[0]!, [fit]), acceptanceIn([fit])];
    for (const run of runs) near(run, await replay(run, hardware, acceptance, { rest: fit }), 0.1);
  });
}

test("amusd as it is here is quicker on their hardware than the best of their lookaheads, with each pair", async () => {
  for (const [draft, verify] of PIPESPEC_PAIRS) {
    const runs = pairRuns(draft, verify);
    const best = runs.toSorted((a, b) => measuredMs(a) - measuredMs(b))[0]!;
    const ms = await ours(UNHEDGED, hardwareOf(best.stepMs[0]!, runs), best, runs);
    assert.ok(ms < 0.99 * measuredMs(best), `${draft} for ${verify}: ${ms} ms a token, theirs ${measuredMs(best)}`);
  }
});

test("PipeSpec's runs of three models are reproduced within 5 %, by what the pairs tell of their chances", async () => {
  const [drafts, middle] = [acceptanceIn(pairRuns("1B", "70B")), acceptanceIn(pairRuns("8B", "70B"))];
  for (const strategy of ["async-chain", "chain"] as const) {
    const run = chainRun(strategy);
    near(run, await replay(run, chainHardware(run), drafts, { middle }), 0.05);
  }
});

test("a chain of their three models takes no longer than theirs, with 16 rows, and passes both pairs", async () => {
  const run = chainRun("async-chain");
  const hardware = chainHardware(run);
  const { verify, draft, middle } = hardware;
  const [drafts, middles] = [pairRuns("1B", "70B"), pairRuns("8B", "70B")];
  const chain = await ours(UNHEDGED, hardware, run, drafts, middles);
  assert.ok(chain < 1.01 * measuredMs(run), `${chain} ms a token, theirs ${measuredMs(run)}`);
  const pairs = [
    await ours(UNHEDGED, { verify, draft }, run, drafts),
    await ours(UNHEDGED, { verify, draft: middle! }, run, middles),
  ];
  assert.ok(pairs.every((pair) => pair > 1.1 * chain), `${pairs} ms a token, the chain ${chain}`);
});

test.run();
