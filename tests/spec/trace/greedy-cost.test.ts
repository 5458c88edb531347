import { test } from "uvu";
import * as assert from "uvu/assert";
import { greedyCost } from "../../../src/spec/trace/greedy-cost.ts";
import type { OneRowTimes } from "../../../src/spec/trace/summary.ts";

const timesOf = (...times: number[]): OneRowTimes => ({
  count: times.length,
  leastMs: Math.min(...times),
  sumMs: times.reduce((sum, ms) => sum + ms, 0),
});

test("greedy costs what a row usually does, within the run's own times", () => {
  const own = timesOf(20, 22, 30);
  assert.is(greedyCost(23, own), 23);
  assert.is(greedyCost(12, own), 20, "what was measured before is of a shorter text");
  assert.is(greedyCost(90, own), 24, "or of a moment at which the machine was slow");
});

test("few times of a run count where they agree with what was measured before", () => {
  assert.is(greedyCost(20, timesOf(24)), 20);
  assert.is(greedyCost(24, timesOf(20, 60)), 20);
  assert.is(greedyCost(20, timesOf(26)), null);
  assert.is(greedyCost(26, timesOf(20)), null);
});

test("without a measurement nothing is told", () => {
  assert.is(greedyCost(undefined, timesOf(20, 22, 30)), null);
  assert.is(greedyCost(20, timesOf()), null);
  assert.is(greedyCost(0, timesOf(0, 0, 0)), null, "by a coarse clock");
});

test.run();
