import { test } from "uvu";
import * as assert from "uvu/assert";
import { progressLine } from "../../src/cli/benchmark-progress.ts";
import { simulateBenchmark } from "../benchmark/results-fixture.ts";

test("progress tells the sample, each strategy's ms/token so far, and the time left", async () => {
  const { runs } = await simulateBenchmark({ samples: 2, turns: 2, tokens: 4, strategies: ["greedy", "amusd"] });
  const timed = runs.map((run, i) => ({ ...run, msPerToken: [20, 10, 30, null][i] ?? 5 }));
  const line = (count: number, before = 0, elapsedMs = 0) =>
    progressLine({ strategies: ["greedy", "amusd"], turns: [2, 2], runs: timed.slice(0, count), before, elapsedMs });
  assert.is(line(0), "sample 1 of 2, answer 1 of 8");
  const first = { turns: [1], runs: [], before: 0, elapsedMs: 0, prefill: { fed: 64, of: 100 } };
  const prefilling = progressLine({ strategies: ["greedy"], ...first });
  assert.is(prefilling, "sample 1 of 1, answer 1 of 1; prefill 64 of 100 tokens");
  assert.is(line(3, 0, 9000), "sample 1 of 2, answer 4 of 8; ms/token: greedy 25.0, amusd 10.0; 15 s left");
  assert.is(line(2, 1, 20_500), "sample 1 of 2, answer 3 of 8; ms/token: greedy 20.0, amusd 10.0; 2 min 3 s left");
  assert.match(line(4, 0, 16_000_000), /^sample 2 of 2, answer 5 of 8; .*; 4 h 26 min left$/);
  assert.match(line(8, 0, 1), /^sample 2 of 2, answer 8 of 8; .*; 0 s left$/);
});

test.run();
