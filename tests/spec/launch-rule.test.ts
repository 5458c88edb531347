import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { amusd } from "../../src/spec/amusd.ts";
import { VirtualClock } from "../../src/spec/clock.ts";
import { greedy } from "../../src/spec/greedy.ts";
import { type Lane, MAX_ROWS } from "../../src/spec/lane.ts";
import { launchAtOnce, type LaunchRule, MeasuredLaunchRule } from "../../src/spec/launch-rule.ts";
import { SimulatedLane } from "../../src/spec/simulated-lane.ts";
import type { Strategy } from "../../src/spec/strategy.ts";
import type { Operation } from "../../src/spec/trace.ts";
import { agreeingModel, collect, hashModel, laneOptions } from "./simulated-run.ts";

const TOKENS = 600;

/** Simulated ms a token; tv(n) = 1 + beta (n - 1), and the draft agrees with the verify model at a share `a` of the places. */
async function msPerToken(
  strategy: Strategy,
  { a, c, beta }: { a: number; c: number; beta: number },
  ruleOf: (clock: VirtualClock) => LaunchRule,
): Promise<number> {
  const clock = new VirtualClock();
  const model = hashModel(5, 1000);
  const verifyMs = (rows: number) => 1 + beta * (rows - 1);
  const verify = new SimulatedLane(
    clock,
    laneOptions("verify", model, { decodeMs: 1, verifyMs, prefillMs: 0.1, stepsAhead: 2, capacity: 5000 }),
  );
  const draft = new SimulatedLane(
    clock,
    laneOptions("draft", agreeingModel(model, a, 1000), {
      decodeMs: c,
      verifyMs: () => c,
      prefillMs: 0.1,
      capacity: 5000,
    }),
  );
  const run = await clock.run(() =>
    collect(strategy, clock, [1, 2, 3], { verify, draft, launchRule: ruleOf(clock), maxNewTokens: TOKENS })
  );
  assert.is(run.tokens.length, TOKENS);
  return clock.now() / TOKENS;
}

for (const a of [0.5, 0.7, 0.9]) {
  for (const c of [0.05, 0.2, 0.5]) {
    for (const beta of [0, 0.2]) {
      test(`MeasuredLaunchRule: a ${a}, c ${c}, beta ${beta}: faster than launching at once, and than greedy`, async () => {
        const point = { a, c, beta };
        const atOnce = await msPerToken(amusd, point, () => launchAtOnce);
        const measured = await msPerToken(amusd, point, (clock) => new MeasuredLaunchRule(clock));
        const alone = await msPerToken(greedy, point, () => launchAtOnce);
        assert.ok(measured <= 1.03 * atOnce, `${measured} ms a token, at once ${atOnce}`);
        assert.ok(measured <= 1.01 * alone, `${measured} ms a token, greedy ${alone}`);
      });
    }
  }
}

test("MeasuredLaunchRule leaves drafting off where the draft lane slows the verify lane down by more than it gains", async () => {
  const clock = new VirtualClock();
  const model = hashModel(5, 1000);
  let drafting = 0;
  const slowedMs = (rows: number) => (drafting > 0 ? 2 : 1) * (1 + 0.2 * (rows - 1));
  const verify = new SimulatedLane(
    clock,
    laneOptions("verify", model, { decodeMs: 1, verifyMs: slowedMs, prefillMs: 0.1, capacity: 5000 }),
  );
  const draft = new SimulatedLane(
    clock,
    laneOptions("draft", agreeingModel(model, 0.5, 1000), { decodeMs: 0.3, prefillMs: 0.1, capacity: 5000 }),
  );
  const busy = <A extends unknown[], R>(send: (...values: A) => Promise<R>) => async (...values: A) => {
    drafting++;
    try {
      return await send(...values);
    } finally {
      drafting--;
    }
  };
  const watched: Lane = {
    name: "draft",
    capacity: draft.capacity,
    stepsAhead: 1,
    stripCapacity: 0,
    sample: () => {},
    keep: draft.keep.bind(draft),
    prefill: busy(draft.prefill.bind(draft)),
    verify: busy(draft.verify.bind(draft)),
    decode: busy(draft.decode.bind(draft)),
    drain: () => draft.drain(),
    close: () => draft.close(),
  };
  const msOf = async (launchRule: LaunchRule) => {
    const start = clock.now();
    const options = { verify, draft: watched, launchRule, maxNewTokens: 2 * TOKENS };
    const run = await clock.run(() => collect(amusd, clock, [1, 2, 3], options));
    assert.is(run.tokens.length, 2 * TOKENS);
    return (clock.now() - start) / (2 * TOKENS);
  };
  assert.ok(await msOf(launchAtOnce) > 1.3, "a control: launching at once loses");
  const measured = await msOf(new MeasuredLaunchRule(clock));
  assert.ok(measured < 1.15, `${measured} ms a token, greedy 1`);
});

test("while drafting rests, the verify lane's steps are chained: it doesn't wait for the host between them", async () => {
  const model = hashModel(5, 1000);
  const msOf = async (strategy: Strategy) => {
    const clock = new VirtualClock();
    // A host that takes 0.3 of a step to hear of an answer, and a draft as dear as the verify model, and mostly wrong.
    const verify = {
      decodeMs: 1,
      verifyMs: (rows: number) => rows,
      prefillMs: 0.1,
      stepsAhead: 2,
      latencyMs: 0.3,
      capacity: 5000,
    };
    const lanes = {
      verify: new SimulatedLane(clock, laneOptions("verify", model, verify)),
      draft: new SimulatedLane(
        clock,
        laneOptions("draft", agreeingModel(model, 0.1, 1000), {
          decodeMs: 1,
          prefillMs: 0.1,
          latencyMs: 0.3,
          capacity: 5000,
        }),
      ),
    };
    const launchRule = new MeasuredLaunchRule(clock);
    await clock.run(() => collect(strategy, clock, [1, 2, 3], { ...lanes, launchRule, maxNewTokens: 2000 }));
    return clock.now() / 2000;
  };
  const [alone, drafted] = [await msOf(greedy), await msOf(amusd)];
  assert.ok(drafted < 1.05 * alone, `${drafted} ms a token, greedy ${alone}`);
});

function operation(lane: "verify" | "draft", rows: number, ms: number, accepted?: number): Operation {
  return {
    kind: "operation",
    lane,
    operation: lane === "draft" ? "decode" : "verify",
    epoch: 0,
    position: 0,
    tokens: Array(rows).fill(1),
    chosen: Array(rows).fill(1),
    startMs: 0,
    endMs: ms,
    accepted,
    stale: false,
  };
}

test("MeasuredLaunchRule takes no rows where they are dear, all where they are free", () => {
  // At a = .5 two rows bring 1.5 tokens: for 70 ms less than one brings for 40.
  for (const [rowMs, taken] of [[30, 0], [0, 15]] as const) {
    const rule = new MeasuredLaunchRule(new VirtualClock());
    for (let i = 0; i < 20; i++) {
      rule.observe(operation("draft", 1, 10));
      for (const rows of [1, 2, 2]) rule.observe(operation("verify", rows, 40 + rowMs * (rows - 1), i % 2));
    }
    assert.is(rule.take(15, 0), taken, `a row costs ${rowMs} ms`);
  }
});

test("MeasuredLaunchRule waits for a draft that is near, and not for one that is far", () => {
  for (const [draftMs, taken] of [[2, null], [39, 0]] as const) {
    const rule = new MeasuredLaunchRule(new VirtualClock());
    for (let i = 0; i < 20; i++) {
      rule.observe(operation("draft", 1, draftMs));
      rule.observe(operation("verify", 1, 40, 0));
      rule.observe(operation("verify", 2, 41, 1));
    }
    assert.is(rule.take(0, 0), taken, `a draft step takes ${draftMs} ms`);
  }
});

test("MeasuredLaunchRule pauses the draft where the text will hardly come", () => {
  const rule = new MeasuredLaunchRule(new VirtualClock());
  for (let i = 0; i < 200; i++) rule.observe(operation("verify", 2, 40, 0));
  assert.ok(rule.pauses(2));
  assert.not.ok(rule.pauses(0));
  for (let i = 0; i < 200; i++) rule.observe(operation("verify", 8, 40, 7));
  assert.not.ok(rule.pauses(14));
  assert.ok(rule.pauses(2 * (MAX_ROWS - 1)), "but never without end");
});

test("MeasuredLaunchRule takes what is there, or waits, whatever it has seen", () => {
  const seen = fc.record({ rows: fc.integer({ min: 1, max: 16 }), ms: fc.double({ min: 0, max: 1e4, noNaN: true }) });
  fc.assert(fc.property(fc.array(seen), fc.array(seen), fc.nat(40), fc.nat(3), (verified, drafted, pending, stale) => {
    const rule = new MeasuredLaunchRule(new VirtualClock());
    for (const { ms } of drafted) rule.observe(operation("draft", 1, ms));
    for (const { rows, ms } of verified) rule.observe(operation("verify", rows, ms, rows >> 1));
    const taken = rule.take(pending, stale);
    assert.ok(taken === null || (Number.isInteger(taken) && taken >= 0 && taken <= pending), `${taken} of ${pending}`);
    assert.not.ok(rule.pauses(0) && verified.length === 0);
  }));
});

test.run();
