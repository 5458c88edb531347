import { test } from "uvu";
import * as assert from "uvu/assert";
import { isOriginalResults } from "../../src/benchmark/original-results.ts";
import type { BenchmarkRun } from "../../src/benchmark/results.ts";
import { originalStatistics, statisticsOf } from "../../src/benchmark/statistics.ts";
import { renderCsv, renderPositions, renderTable } from "../../src/benchmark/table.ts";
import { simulateBenchmark } from "./results-fixture.ts";

/**
 * Figures by a Python script that shares nothing with this program, for each run of a file of the original program:
 *
 * - 1000 * time_per_token;
 * - J/token: the sum over the gaps between gpustats of seconds * (watts before + watts after) / 2, watts being all
 *   gpu_powers together, over tokens_generated;
 * - tokens_generated / len(verify_times);
 * - (len(draft_times) - tokens_generated + len(verify_times)) / tokens_generated.
 */
const ORIGINAL = {
  "original-humaneval.json": [
    {
      strategy: "greedy",
      tokens: 389,
      ms: 24.196397,
      speedup: null,
      joules: 6.152572,
      perVerification: null,
      wasted: null,
    },
    {
      strategy: "sd",
      tokens: 389,
      ms: 17.963831,
      speedup: 1.346951,
      joules: 3.730267,
      perVerification: 5.256757,
      wasted: 0.287918,
    },
    {
      strategy: "amusd",
      tokens: 389,
      ms: 16.404027,
      speedup: 1.475028,
      joules: 4.285431,
      perVerification: 2.628378,
      wasted: 0.526992,
    },
  ],
  "original-refactorchat.json": [
    {
      strategy: "greedy",
      tokens: 922,
      ms: 24.732879,
      speedup: null,
      joules: 8.434869,
      perVerification: null,
      wasted: null,
    },
    {
      strategy: "sd",
      tokens: 922,
      ms: 18.725095,
      speedup: 1.320841,
      joules: 5.264277,
      perVerification: 5.329479,
      wasted: 0.279826,
    },
    {
      strategy: "amusd",
      tokens: 922,
      ms: 14.691196,
      speedup: 1.683517,
      joules: 5.156982,
      perVerification: 2.744048,
      wasted: 0.472885,
    },
  ],
};

const near = (got: number | null | undefined, wanted: number | null, what: string) =>
  assert.ok(
    wanted === null ? got === null : typeof got === "number" && Math.abs(got - wanted) < 1e-5 * Math.abs(wanted),
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
  for (const [file, wanted] of Object.entries(ORIGINAL)) {
    const results: unknown = JSON.parse(await Deno.readTextFile(new URL(`fixtures/${file}`, import.meta.url)));
    assert.ok(isOriginalResults(results));
    const rows = originalStatistics(file, results);
    assert.equal(
      rows.map(({ strategy, tokens }) => ({ strategy, tokens })),
      wanted.map(({ strategy, tokens }) => ({ strategy, tokens })),
    );
    for (const [i, row] of rows.entries()) {
      const what = `${file}, ${row.strategy}`;
      near(row.msPerToken!.mean, wanted[i]!.ms, `${what}, ms/token`);
      near(row.speedup?.mean ?? null, wanted[i]!.speedup, `${what}, speed-up`);
      near(row.joulesPerToken, wanted[i]!.joules, `${what}, J/token`);
      near(row.tokensPerVerification, wanted[i]!.perVerification, `${what}, tokens a verification`);
      near(row.wastedPerToken, wanted[i]!.wasted, `${what}, wasted`);
    }
  }
  assert.not(isOriginalResults([]));
  assert.not(isOriginalResults({ format: "amusd results" }));
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

test("acceptance by position is a table of its own, of what drafts", async () => {
  const [greedy, sd, amusd] = statisticsOf("f", await simulateBenchmark({ samples: 1, tokens: 8 }));
  assert.is(renderPositions([greedy!]), "");
  assert.is(
    renderPositions([greedy!, { ...sd!, acceptanceByPosition: [1, 0.255] }, {
      ...amusd!,
      acceptanceByPosition: [0.5],
    }]),
    "strategy  accepted at 1     2\nsd                100 %  26 %\namusd              50 %     -",
  );
});

test.run();
