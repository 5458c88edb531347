import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { AdaptiveLaunch } from "../../../src/spec/schedule/adaptive-launch.ts";
import { VirtualClock } from "../../../src/spec/clock.ts";
import { Estimates } from "../../../src/spec/schedule/estimates.ts";
import { MAX_ROWS } from "../../../src/spec/lanes/lane.ts";

/** Estimates of lanes that were seen 20 times, on a clock that stands still. */
function estimatesOf(draftMs: number, verifyMs: (rows: number) => number, acceptance: number): Estimates {
  const estimates = new Estimates();
  for (let i = 0; i < 20; i++) {
    estimates.costs.observeDraft(draftMs, true);
    for (const rows of [1, 2, 8]) estimates.costs.observeVerify(rows, verifyMs(rows), 1);
  }
  for (let i = 0; i < 400; i++) estimates.predictor.observe(0.5, 1, i % 100 < 100 * acceptance);
  return estimates;
}

test("AdaptiveLaunch takes no rows where they are dear, all where they are free", () => {
  for (const [rowMs, taken] of [[30, 0], [0, 15]] as const) {
    const estimates = estimatesOf(10, (rows) => 40 + rowMs * (rows - 1), 0.5);
    const rule = new AdaptiveLaunch(estimates, new VirtualClock());
    assert.is(rule.take(Array(15).fill(0.5), 0), taken, `a row costs ${rowMs} ms`);
  }
});

test("AdaptiveLaunch takes what is likely to come, and leaves what is not", () => {
  const rule = new AdaptiveLaunch(estimatesOf(10, (rows) => 40 + 4 * (rows - 1), 0.7), new VirtualClock());
  const sure = Array(15).fill(0.95);
  assert.ok(rule.take(sure, 0)! > 6);
  assert.is(rule.take([0.95, 0.95, 0.02, ...sure.slice(3)], 0), 2);
});

test("AdaptiveLaunch waits for a draft that is near, and not for one that is far", () => {
  for (const [draftMs, taken] of [[2, null], [39, 0]] as const) {
    const rule = new AdaptiveLaunch(estimatesOf(draftMs, (rows) => 39 + rows, 0.7), new VirtualClock());
    assert.is(rule.take([], 0), taken, `a draft step takes ${draftMs} ms`);
  }
});

test("AdaptiveLaunch waits for no draft that is still to be sent as if it were about to come", async () => {
  const step = {
    lane: "draft",
    operation: "decode",
    position: 3,
    tokens: [1],
    chosen: [2],
    epoch: 0,
    stale: false,
  } as const;
  const clock = new VirtualClock();
  await clock.run(async () => {
    const rule = new AdaptiveLaunch(estimatesOf(20, (rows) => 39 + rows, 0.7), clock);
    assert.not.ok(rule.pauses(0.9, 1));
    await clock.sleep(19);
    assert.ok(rule.pauses(0.01, 2), "the one behind it");
    assert.is(rule.take([], 0), null, "it is sent, and about to come");
    await clock.sleep(1);
    rule.observe({ kind: "operation", ...step, startMs: 0, endMs: 20 });
    await clock.sleep(19);
    assert.is(rule.take([], 0), 0, "the host was late: nothing is sent");
    assert.not.ok(rule.pauses(0.9, 1));
    assert.is(rule.take([], 0), 0, "it is sent only now");
  });
});

test("AdaptiveLaunch pauses the draft where the text will hardly come", () => {
  const rule = new AdaptiveLaunch(new Estimates(), new VirtualClock());
  assert.ok(rule.pauses(0.05, 3));
  assert.not.ok(rule.pauses(0.5, 14));
  assert.ok(rule.pauses(0.5, 2 * MAX_ROWS), "but never without end");
});

test("AdaptiveLaunch takes what is there, or waits, whatever it has seen", () => {
  const seen = fc.record({ rows: fc.integer({ min: 1, max: 16 }), ms: fc.double({ min: 0, max: 1e4, noNaN: true }) });
  const chances = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 40 });
  fc.assert(fc.property(fc.array(seen), fc.array(seen), chances, fc.nat(3), (verified, drafted, chances, stale) => {
    const estimates = new Estimates();
    for (const { ms } of drafted) estimates.costs.observeDraft(ms, ms > 50);
    for (const { rows, ms } of verified) estimates.costs.observeVerify(rows, ms, ms > 50 ? 1 : 0);
    const rule = new AdaptiveLaunch(estimates, new VirtualClock());
    const taken = rule.take(chances, stale);
    const behind = Math.max(0, chances.length - 3);
    const chained = rule.chain(chances, 2, stale, chances.slice(0, 2));
    for (const [count, most] of [[taken, chances.length], [chained, behind]] as const) {
      assert.ok(count === null || (Number.isInteger(count) && count >= 0 && count <= most), `${count} of ${most}`);
    }
  }));
});

test.run();
