import { test } from "uvu";
import * as assert from "uvu/assert";
import { calibrate } from "../../../src/spec/schedule/calibrate.ts";
import { VirtualClock } from "../../../src/spec/clock.ts";
import { Costs } from "../../../src/spec/schedule/costs.ts";
import { SimulatedLane, type SimulatedLaneOptions } from "../../../src/spec/lanes/simulated-lane.ts";
import { WatchedLane } from "../lanes/watched-lane.ts";
import { hashModel, laneOptions } from "../simulated-run.ts";

const next = hashModel(1, 50);

async function measured(options: Partial<SimulatedLaneOptions> = {}) {
  const clock = new VirtualClock();
  const costs = new Costs();
  const common = { latencyMs: 0.5, verifyMs: (rows: number) => 9 + rows };
  const verify = new WatchedLane(new SimulatedLane(clock, laneOptions("verify", next, { ...common, ...options })));
  const draft = new WatchedLane(
    new SimulatedLane(clock, laneOptions("draft", next, { latencyMs: 0.5 })),
  );
  await clock.run(() => calibrate(verify, draft, costs, clock));
  return { costs, ms: clock.now(), verify, draft };
}

test("calibrate() measures draft steps, verifications, and what a message takes beyond them", async () => {
  const { costs, verify, draft } = await measured();
  for (const rows of [1, 2, 3, 4, 8, 16]) assert.is(costs.verifyMs(rows, false), 9 + rows);
  assert.equal([costs.draftMs(false), costs.draftMs(true)], [2, 2]);
  assert.is(costs.turnaroundMs("verify"), 0.5);
  assert.equal(Object.keys(costs.figures.otherBusy.verifyMs), ["1", "2", "4"], "and with the draft lane at work");
  assert.equal([verify.inFlight, draft.inFlight], [0, 0], "both lanes are idle again");
});

test("calibrate() leaves sizes out where they take too long, or where there is no room", async () => {
  const slow = await measured({ verifyMs: (rows: number) => 1000 * rows });
  assert.equal(Object.keys(slow.costs.figures.otherIdle.verifyMs), ["1"]);
  assert.ok(slow.ms < 5000, `${slow.ms} ms`);
  const small = await measured({ capacity: 2 });
  assert.equal(Object.keys(small.costs.figures.otherIdle.verifyMs), ["1", "2"]);
});

test("calibrate() tells what a busy draft lane costs", async () => {
  // Nine verifications are alone; those beside the draft lane take twice as long.
  let passes = 0;
  const { costs } = await measured({ jitter: () => ++passes > 9 ? 2 : 1 });
  assert.equal([1, 2, 4].map((rows) => costs.verifyMs(rows, false)), [10, 11, 13]);
  assert.equal([1, 2, 4].map((rows) => costs.verifyMs(rows, true)), [20, 22, 26]);
});

test.run();
