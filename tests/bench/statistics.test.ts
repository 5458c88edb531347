import { test } from "uvu";
import * as assert from "uvu/assert";
import { isOriginalResults } from "../../src/bench/original-results.ts";
import { type BenchmarkRun, parseResults, type Results } from "../../src/bench/results.ts";
import { originalStatistics, statisticsOf } from "../../src/bench/statistics.ts";
import { renderCsv, renderTable } from "../../src/bench/table.ts";
import { simulateBenchmark } from "./results-fixture.ts";

/** J/token, by the same script: greedy, sd, amusd. */
const ORIGINAL_JOULES = [6.15257, 3.73027, 4.28543];

const near = (got: number | null | undefined, wanted: number, what: string) =>
  assert.ok(
    got !== null && got !== undefined && Math.abs(got - wanted) < 1e-3 * Math.abs(wanted),
    `${what}: ${got}, wanted ${wanted}`,
  );

test("a hand-made benchmark comes to figures worked out by hand", async () => {
  const base = await simulateBenchmark({ samples: 2, tokens: 6, strategies: ["greedy", "amusd"] });
  const lanes = [{ name: "verify", busyMs: 80, idleMs: 20 }, { name: "draft", busyMs: 50, idleMs: 50 }];
  const verification = (drafted: number, accepted: number) => ({
    kind: "operation" as const,
    lane: "verify",
    operation: "verify" as const,
    epoch: 0,
    position: 0,
    tokens: new Array(drafted + 1).fill(0),
    chosen: [],
    startMs: 0,
    endMs: 1,
    accepted,
    stale: false,
  });
  const figures: Record<string, Partial<BenchmarkRun>> = {
    "0 greedy": { msPerToken: 20, ttftMs: 100, lanes: lanes.slice(0, 1), overlapMs: 0, verifications: 6 },
    "1 greedy": { msPerToken: 40, ttftMs: 200, lanes: lanes.slice(0, 1), overlapMs: 0, verifications: 6 },
    "0 amusd": {
      msPerToken: 10,
      lanes,
      overlapMs: 40,
      verifications: 3,
      wastedDrafts: 3,
      events: [verification(3, 1), verification(1, 1)],
      monitor: [[0, 10, 20], [500, 10, 20], [1000, 30, 40]].map(([ms, a, b]) => ({
        ms: ms!,
        devices: [a!, b!].map((powerWatts) => ({ name: "", utilization: null, memoryBytes: null, powerWatts })),
      })),
    },
    "1 amusd": {
      msPerToken: 30,
      lanes,
      overlapMs: 60,
      verifications: 1,
      wastedDrafts: 0,
      events: [verification(0, 0)],
      monitor: [],
    },
  };
  const runs = base.runs.map((run) => ({ ...run, ...figures[`${run.sample} ${run.strategy}`] }));
  const [greedy, amusd] = statisticsOf("f", { ...base, runs });
  near(greedy!.msPerToken!.mean, 30, "greedy's ms/token");
  near(greedy!.ttftMs, 150, "time to the first token");
  assert.is(greedy!.speedup, null);
  assert.is(greedy!.draftBusy, null);
  near(amusd!.speedup!.mean, 60 / 40, "speed-up");
  near(amusd!.tokensPerVerification, 12 / 4, "tokens a verification");
  near(amusd!.acceptance, 2 / 4, "acceptance");
  assert.equal(amusd!.acceptanceByPosition, [1, 0, 0]);
  near(amusd!.verifyBusy, 0.8, "verify busy");
  near(amusd!.overlap, 0.5, "both busy");
  near(amusd!.wastedPerToken, 3 / 12, "wasted");
  assert.is(amusd!.joulesPerToken, null, "one run was not watched");
  const watched = { ...base, runs: runs.filter(({ sample }) => sample === 0) };
  // Half a second at 30 W, half a second from 30 to 70 W; six tokens.
  near(statisticsOf("f", watched)[1]!.joulesPerToken, (15 + 25) / 6, "J/token");
});

test("the original program's figures are those of a script of its own", async () => {
  const content = await Deno.readTextFile(new URL("fixtures/original-humaneval.json", import.meta.url));
  const results: unknown = JSON.parse(content);
  assert.ok(isOriginalResults(results));
  const rows = originalStatistics("f", results);
  // A Python script's: time_per_token, the trapezoids of all devices' powers, and counts of the lists.
  const wanted = [["greedy", 24.1964, ORIGINAL_JOULES[0]], ["sd", 17.9638, ORIGINAL_JOULES[1]], [
    "amusd",
    16.404,
    ORIGINAL_JOULES[2],
  ]] as const;
  assert.equal(rows.map(({ strategy }) => strategy), wanted.map(([strategy]) => strategy));
  for (const [i, [strategy, ms, joules]] of wanted.entries()) {
    near(rows[i]!.msPerToken!.mean, ms, `${strategy}, ms/token`);
    near(rows[i]!.joulesPerToken, joules!, `${strategy}, J/token`);
  }
  near(rows[1]!.tokensPerVerification, 389 / 74, "sd, tokens a verification");
  near(rows[2]!.tokensPerVerification, 389 / 148, "amusd, tokens a verification");
  near(rows[2]!.speedup!.mean, 24.1964 / 16.404, "speed-up");
  assert.not(isOriginalResults([]));
  assert.not(isOriginalResults({ format: "amusd results" }));
});

test("results are read whole, or refused with a word on why", async () => {
  const results: Results = await simulateBenchmark({ samples: 1, tokens: 4 });
  const text = JSON.stringify(results);
  assert.equal(parseResults(text, "x"), results);
  for (
    const [content, kind, message] of [
      [text.slice(0, -9), SyntaxError, /^Cannot read "f": it is no JSON, or cut short; /],
      ["null", TypeError, /it is not a benchmark's results/],
      [JSON.stringify({ ...results, version: 2 }), RangeError, /it has version 2 of the format, wanted 1; /],
      [JSON.stringify({ ...results, runs: 3 }), TypeError, /it has no runs/],
    ] as const
  ) {
    assert.throws(
      () => parseResults(content, 'Cannot read "f"'),
      (error: Error) => error instanceof kind && message.test(error.message),
    );
  }
});

test("a table and CSV have a row a strategy, and CSV can be read back", async () => {
  const rows = statisticsOf('a "quoted", file', await simulateBenchmark({ samples: 3, tokens: 8 }));
  assert.is(renderTable(rows).split("\n").length, 4);
  assert.match(renderTable(rows), /^strategy +runs +tokens/);
  assert.match(renderTable([...rows, { ...rows[0]!, file: "b" }], true), /^\| file +\| strategy/);
  const lines = renderCsv(rows).split("\r\n");
  assert.is(lines.length, 4);
  assert.match(lines[1]!, /^"a ""quoted"", file",greedy,3,24,/);
  const columns = lines[0]!.split(",");
  const cells = lines[3]!.replace(/^"a ""quoted"", file"/, "f").split(",");
  assert.is(cells.length, columns.length);
  near(Number(cells[columns.indexOf("speedup")]), rows[2]!.speedup!.mean, "speed-up");
});

test.run();
