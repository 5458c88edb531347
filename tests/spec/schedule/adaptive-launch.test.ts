import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { AdaptiveLaunch } from "../../../src/spec/schedule/adaptive-launch.ts";
import { type Clock, VirtualClock } from "../../../src/spec/clock.ts";
import { Estimates } from "../../../src/spec/schedule/estimates.ts";
import { MAX_ROWS } from "../../../src/spec/lanes/lane.ts";
import type { Operation } from "../../../src/spec/trace/trace-events.ts";

/**
 * Estimates of lanes that were seen 20 times. A verification beside a busy draft lane takes `contention` times as long
 * as one alone.
 */
function estimatesOf(
  draftMs: number,
  verifyMs: (rows: number) => number,
  acceptance: number,
  contention?: number,
): Estimates {
  const estimates = new Estimates();
  for (let i = 0; i < 20; i++) {
    estimates.costs.observeDraft(draftMs, true);
    for (const rows of [1, 2, 8]) {
      estimates.costs.observeVerify(rows, verifyMs(rows), 1);
      if (contention) estimates.costs.observeVerify(rows, verifyMs(rows) / contention, 0);
    }
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

test("AdaptiveLaunch launches at once before there are costs, and looks at them as a verification ends", () => {
  const estimates = new Estimates();
  const rule = ruleOf(estimates);
  assert.equal([rule.launchNow([0.01, 0.01], 0), rule.launchNow([], 0)], [2, null]);
  estimates.costs.observeDraft(9, true);
  for (const rows of [1, 2]) estimates.costs.observeVerify(rows, 10 * rows, 1);
  assert.is(rule.launchNow([0.01, 0.01], 0), 2);
  rule.observe({ ...operation, position: 4, accepted: 0 });
  assert.is(rule.launchNow([0.01, 0.01], 0), 0);
});

test("AdaptiveLaunch waits for the draft step in flight, whatever was sent behind it", async () => {
  const clock = new VirtualClock();
  await clock.run(async () => {
    const rule = ruleOf(estimatesOf(20, (rows) => 39 + rows, 0.7), clock);
    rule.drafting();
    await clock.sleep(18);
    rule.drafting();
    await clock.sleep(1);
    assert.is(rule.launchNow([], 0), null, "the first one is about to come");
  });
});

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

test("AdaptiveLaunch holds a draft back that is not worth what its step takes from the verify lane", () => {
  /** The least chance at which a step of 10 ms is sent, and the average acceptance. */
  const least = (contention: number | undefined, acceptance: number) => {
    const estimates = estimatesOf(10, (rows) => 35 + 5 * rows, acceptance, contention);
    const rule = ruleOf(estimates);
    const chances = Array.from({ length: 1001 }, (_, i) => i / 1000);
    return { chance: chances.find((chance) => !rule.holdDraft(chance, 2))!, mean: estimates.predictor.mean };
  };
  assert.equal([least(undefined, 0.6), least(1, 0.6)].map(({ chance }) => chance), [0.1, 0.1]);
  for (const acceptance of [0.5, 0.6, 0.7]) {
    const { chance, mean } = least(1.5, acceptance);
    // A third of the step is taken from a verify lane that commits about a token in 40 ms.
    const worthMs = chance * mean / (10 / 3);
    assert.ok(worthMs > 1 / 45 && worthMs < 1 / 25, `${chance} at ${mean}`);
  }
  assert.is(least(100, 0.05).chance, 0.9, "the draft after the committed text is tried, however dear");
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

/** Things that happen: to the costs and the acceptance, or as a strategy reports them. */
const happening = fc.oneof(
  fc.record({
    kind: fc.constant("costs" as const),
    rows: fc.integer({ min: 1, max: 16 }),
    ms: fc.integer({ min: 10, max: 60 }),
  }),
  fc.record({ kind: fc.constant("judged" as const), isRight: fc.boolean() }),
  fc.record({ kind: fc.constantFrom("launched" as const, "queued" as const), count: fc.nat(15) }),
  fc.record({ kind: fc.constantFrom("drafting" as const, "drafted" as const, "begin" as const) }),
  fc.record({ kind: fc.constant("committed" as const), accepted: fc.nat(3), ms: fc.nat(40) }),
);

test("AdaptiveLaunch's questions have no effects: asked often or once, it answers the same", async () => {
  const chances = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 20 });
  const asked = fc.record({
    chances,
    stale: fc.nat(2),
    verifying: fc.nat(3),
    chance: fc.double({ min: 0, max: 1, noNaN: true }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(happening, { minLength: 20, maxLength: 60 }),
      asked,
      asked,
      async (happenings, first, last) => {
        const clock = new VirtualClock();
        const estimates = estimatesOf(8, (rows) => 30 + rows, 0.7);
        const [often, once] = [ruleOf(estimates, clock), ruleOf(estimates, clock)];
        let position = 4;
        const answers = (rule: AdaptiveLaunch, { chances, stale, verifying, chance }: typeof first) => [
          rule.launchNow(chances, stale),
          rule.queueNext(chances, verifying, stale, chances.slice(0, 2)),
          rule.holdDraft(chance, chances.length),
        ];
        await clock.run(async () => {
          for (const happening of happenings) {
            for (const question of [first, last]) answers(often, question);
            await clock.sleep(5);
            if (happening.kind === "costs") estimates.costs.observeVerify(happening.rows, happening.ms, 1);
            if (happening.kind === "judged") estimates.predictor.observe(0.5, 1, happening.isRight);
            for (const rule of [often, once]) {
              if (happening.kind === "launched" || happening.kind === "queued") rule[happening.kind](happening.count);
              if (happening.kind === "drafting" || happening.kind === "begin") rule[happening.kind]();
              if (happening.kind === "drafted") rule.observe({ ...operation, lane: "draft", endMs: clock.now() });
              if (happening.kind !== "committed") continue;
              const { accepted, ms } = happening;
              rule.observe({ ...operation, position, accepted, endMs: clock.now() + ms });
            }
            if (happening.kind === "committed") position += happening.accepted + 1;
          }
          const wanted = answers(once, last);
          for (let i = 0; i < 3; i++) assert.equal(answers(often, last), wanted);
        });
      },
    ),
    { numRuns: 300 },
  );
});

test.run();
