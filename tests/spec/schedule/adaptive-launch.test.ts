import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { HEDGED, laneOptionsOf, lanesOf, PROMPT, simulate, simulateRun } from "../../../src/plan/simulate.ts";
import { betaAcceptance, simulatedPair } from "../../../src/plan/simulated-pair.ts";
import { AdaptiveLaunch } from "../../../src/spec/schedule/adaptive-launch.ts";
import { type Clock, VirtualClock } from "../../../src/spec/clock.ts";
import { Estimates } from "../../../src/spec/schedule/estimates.ts";
import { MAX_ROWS } from "../../../src/spec/lanes/lane.ts";
import type { Operation } from "../../../src/spec/trace/trace-events.ts";
import { hardwareOf } from "./point.ts";

/** Estimates of lanes that were seen 20 times. */
function estimatesOf(draftMs: number, verifyMs: (rows: number) => number, acceptance: number): Estimates {
  const estimates = new Estimates();
  for (let i = 0; i < 20; i++) {
    estimates.costs.observeDraft(draftMs, true);
    for (const rows of [1, 2, 8]) estimates.costs.observeVerify(rows, verifyMs(rows), 1);
  }
  for (let i = 0; i < 400; i++) estimates.predictor.observe(0.5, 1, i % 100 < 100 * acceptance);
  return estimates;
}

const operation = {
  kind: "operation",
  operation: "verify",
  lane: "verify",
  position: 3,
  tokens: [1],
  chosen: [2],
  epoch: 0,
  startMs: 0,
  endMs: 0,
  stale: false,
} as const satisfies Operation;

/** A rule whose verify lane has just committed a token, on a clock that stands still if none is given. */
function ruleOf(estimates: Estimates, clock: Clock = new VirtualClock()): AdaptiveLaunch {
  const rule = new AdaptiveLaunch(estimates, clock);
  rule.observe({ ...operation, accepted: 0 });
  return rule;
}

test("AdaptiveLaunch takes no rows where they are dear, all where they are free", () => {
  for (const [rowMs, taken] of [[30, 0], [0, 15]] as const) {
    const rule = ruleOf(estimatesOf(10, (rows) => 40 + rowMs * (rows - 1), 0.5));
    assert.is(rule.launchNow(Array(15).fill(0.5), 0), taken, `a row costs ${rowMs} ms`);
  }
});

test("AdaptiveLaunch takes what is likely to come, and leaves what is not", () => {
  const rule = ruleOf(estimatesOf(10, (rows) => 40 + 4 * (rows - 1), 0.7));
  const sure = Array(15).fill(0.95);
  assert.ok(rule.launchNow(sure, 0)! > 6);
  assert.is(rule.launchNow([0.95, 0.95, 0.02, ...sure.slice(3)], 0), 2);
});

test("AdaptiveLaunch waits for a draft that is near, and not for one that is far", () => {
  for (const [draftMs, taken] of [[2, null], [39, 0]] as const) {
    const rule = ruleOf(estimatesOf(draftMs, (rows) => 39 + rows, 0.7));
    assert.is(rule.launchNow([], 0), taken, `a draft step takes ${draftMs} ms`);
  }
});

test("AdaptiveLaunch waits for no draft that is still to be sent as if it were about to come", async () => {
  const clock = new VirtualClock();
  await clock.run(async () => {
    const rule = ruleOf(estimatesOf(20, (rows) => 39 + rows, 0.7), clock);
    rule.drafting();
    await clock.sleep(19);
    assert.ok(rule.holdDraft(0.01, 2), "the one behind it");
    assert.is(rule.launchNow([], 0), null, "it is sent, and about to come");
    await clock.sleep(1);
    rule.observe({ ...operation, operation: "decode", lane: "draft" });
    await clock.sleep(19);
    assert.is(rule.launchNow([], 0), 0, "the host was late: nothing is sent");
    assert.not.ok(rule.holdDraft(0.9, 1));
    rule.drafting();
    assert.is(rule.launchNow([], 0), 0, "it is sent only now");
  });
});

test("AdaptiveLaunch holds the draft back where the text will hardly come", () => {
  const rule = new AdaptiveLaunch(new Estimates(), new VirtualClock());
  assert.ok(rule.holdDraft(0.05, 3));
  assert.not.ok(rule.holdDraft(0.5, 14));
  assert.ok(rule.holdDraft(0.5, 2 * MAX_ROWS), "but never without end");
});

test("AdaptiveLaunch holds a draft back that would come too late, as long as a verification is in flight", async () => {
  const clock = new VirtualClock();
  await clock.run(async () => {
    const rule = ruleOf(estimatesOf(20, () => 40, 0.7), clock);
    rule.launched(3);
    assert.not.ok(rule.holdDraft(0.3, 2));
    await clock.sleep(25);
    assert.ok(rule.holdDraft(0.3, 2), "the verification ends 15 ms from now");
    rule.observe({ ...operation, accepted: 0, endMs: 40 });
    assert.not.ok(rule.holdDraft(0.3, 2), "it has ended");
    rule.launched(3);
    rule.queued(3);
    await clock.sleep(25);
    rule.observe({ ...operation, accepted: 0, endMs: 60 });
    await clock.sleep(35);
    assert.ok(rule.holdDraft(0.3, 2), "the queued one began at 60 ms, and ends 15 ms from now");
    rule.begin();
    assert.not.ok(rule.holdDraft(0.3, 2), "a run that ended early leaves nothing in flight for the next one");
  });
});

test("AdaptiveLaunch takes what is there, or waits, whatever it has seen", () => {
  const seen = fc.record({ rows: fc.integer({ min: 1, max: 16 }), ms: fc.double({ min: 0, max: 1e4, noNaN: true }) });
  const chances = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 40 });
  fc.assert(fc.property(fc.array(seen), fc.array(seen), chances, fc.nat(3), (verified, drafted, chances, stale) => {
    const estimates = new Estimates();
    for (const { ms } of drafted) estimates.costs.observeDraft(ms, ms > 50);
    for (const { rows, ms } of verified) estimates.costs.observeVerify(rows, ms, ms > 50 ? 1 : 0);
    const rule = ruleOf(estimates);
    const taken = rule.launchNow(chances, stale);
    rule.launched(3);
    const queued = rule.queueNext(chances, 2, stale, chances.slice(0, 2));
    const behind = Math.max(0, chances.length - 3);
    for (const [count, most] of [[taken, chances.length], [queued, behind]] as const) {
      assert.ok(count === null || (Number.isInteger(count) && count >= 0 && count <= most), `${count} of ${most}`);
    }
  }));
});

/** Asks each question three times, other questions between them. */
class Curious extends AdaptiveLaunch {
  asked = 0;

  override launchNow(...question: Parameters<AdaptiveLaunch["launchNow"]>): number | null {
    return this.#ask(() => super.launchNow(...question));
  }

  override queueNext(...question: Parameters<AdaptiveLaunch["queueNext"]>): number | null {
    return this.#ask(() => super.queueNext(...question));
  }

  override holdDraft(...question: Parameters<AdaptiveLaunch["holdDraft"]>): boolean {
    return this.#ask(() => super.holdDraft(...question));
  }

  #ask<T>(question: () => T): T {
    this.asked++;
    const answer = question();
    for (const chances of [[], [0.9, 0.1, 0.6], Array<number>(20).fill(0.8)]) {
      super.launchNow(chances, 1);
      super.queueNext(chances, 1, 0, chances);
      for (const chance of chances) super.holdDraft(chance, 1);
    }
    for (let i = 0; i < 2; i++) assert.is(question(), answer, "asked again, it answers the same");
    return answer;
  }
}

test("AdaptiveLaunch's questions have no effects: a run is the same however often it is asked", async () => {
  for (const point of [{ a: 0.7, c: 0.2, beta: 0.1 }, { a: 0.3, c: 0.5, beta: 0.1 }]) {
    const [hardware, acceptance] = [hardwareOf(point, 0.2), betaAcceptance(point.a)];
    const rules: Curious[] = [];
    const launchRule = (estimates: Estimates, clock: Clock) => {
      rules.push(new Curious(estimates, clock));
      return rules[0]!;
    };
    const { events } = await simulateRun({ ...HEDGED, launchRule }, hardware, acceptance, 400, 1, true);
    assert.ok(rules[0]!.asked > 400);
    assert.equal(events, (await simulateRun(HEDGED, hardware, acceptance, 400, 1, true)).events);
  }
});

test("AdaptiveLaunch learns from text to text, on lanes that nobody has measured", async () => {
  const point = { a: 0.8, c: 0.1, beta: 0 };
  const options = laneOptionsOf(hardwareOf(point), simulatedPair(betaAcceptance(point.a), 2), PROMPT.length + 41);
  const simulation = { setting: HEDGED, lanes: lanesOf(options), tokens: 40, texts: 5, calibrates: false };
  const times = (await simulate(simulation)).map(({ startMs, endMs }) => endMs - startMs);
  assert.ok(times.at(-1)! < 0.9 * times[0]!, `${times.join(", ")} ms for the same text`);
});

test.run();
