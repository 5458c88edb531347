// How fast the launch rules are, over thousands of simulated tokens.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { amusd } from "../../../src/spec/strategies/amusd.ts";
import { AdaptiveLaunch } from "../../../src/spec/schedule/adaptive-launch.ts";
import { VirtualClock } from "../../../src/spec/clock.ts";
import { Estimates } from "../../../src/spec/schedule/estimates.ts";
import { greedy } from "../../../src/spec/strategies/greedy.ts";
import {
  launchAsPublished,
  launchAtOnce,
  launchFixed,
  type LaunchRule,
} from "../../../src/spec/schedule/launch-rule.ts";
import { SimulatedLane } from "../../../src/spec/lanes/simulated-lane.ts";
import type { Strategy } from "../../../src/spec/strategies/strategy.ts";
import { sharedSpeedup } from "../../../lab/schedule/shared-device.ts";
import { betaAcceptance, simulatedPair } from "../../../src/plan/simulated-pair.ts";
import { agreeingModel, collect, hashModel, laneOptions } from "../simulated-run.ts";

/** A pair to simulate: acceptance, td in tv(1), and what a further row costs in tv(1). */
interface Point {
  readonly a: number;
  readonly c: number;
  readonly beta: number;
}

type RuleOf = (estimates: Estimates, clock: VirtualClock) => LaunchRule;
const best: RuleOf = (estimates, clock) => new AdaptiveLaunch(estimates, clock);

/** Simulated speed over greedy's. The draft knows its chances, which are mostly near 0 or 1, as those of real models are. */
async function speedup(
  { a, c, beta }: Point,
  ruleOf: RuleOf,
  hedge = false,
  { latencyMs = 0, seed = 7 } = {},
): Promise<number> {
  const tokens = 3000;
  const clock = new VirtualClock();
  const estimates = new Estimates();
  const pair = simulatedPair(betaAcceptance(a), seed);
  const common = { capacity: tokens + 10, prefillMs: 0 };
  const verifyMs = (rows: number) => 1 + beta * (rows - 1);
  const verify = new SimulatedLane(
    clock,
    laneOptions("verify", pair.verify, { ...common, decodeMs: 1, verifyMs, latencyMs, stepsAhead: 2 }),
  );
  const draft = new SimulatedLane(
    clock,
    laneOptions("draft", pair.draft, {
      ...common,
      decodeMs: c,
      verifyMs: () => c,
      confidence: pair.confidence,
      second: pair.second,
      branchCapacity: 16,
    }),
  );
  const options = { verify, draft, estimates, launchRule: ruleOf(estimates, clock), hedge, maxNewTokens: tokens };
  const run = await clock.run(() => collect(amusd, clock, [1, 2, 3], options));
  if (run.error) throw run.error;
  assert.is(run.tokens.length, tokens);
  return tokens / clock.now();
}

for (const beta of [0, 0.2]) {
  for (const c of [0.05, 0.2, 0.5]) {
    for (const a of [0.6, 0.9]) {
      test(`AdaptiveLaunch: a ${a}, c ${c}, beta ${beta}: as fast as any other rule, and than greedy`, async () => {
        const point = { a, c, beta };
        const [alone, hedged] = [await speedup(point, best), await speedup(point, best, true)];
        for (const rule of [launchAtOnce, launchAsPublished, launchFixed(1), launchFixed(2), launchFixed(4)]) {
          const other = await speedup(point, () => rule);
          assert.ok(alone >= 0.99 * other, `${alone}, ${other} by another rule`);
        }
        assert.ok(alone >= 1, `${alone}`);
        // Over more draws: a run of 3000 tokens is off by some percent.
        let [allAlone, allHedged] = [alone, hedged];
        for (const seed of [1, 2, 3]) {
          allAlone += await speedup(point, best, false, { seed });
          allHedged += await speedup(point, best, true, { seed });
        }
        assert.ok(allHedged >= 0.99 * allAlone, `${allHedged} with a hedge, ${allAlone} without`);
        // The linear bound, which hedges may pass.
        assert.ok(alone <= 1.03 / ((1 - a) + a * c), `${alone}`);
      });
    }
  }
}

/** It queues no verification behind another one. */
const unchained: RuleOf = (estimates, clock) => {
  const rule = new AdaptiveLaunch(estimates, clock);
  return {
    take: rule.take.bind(rule),
    chain: () => null,
    pauses: rule.pauses.bind(rule),
    observe: rule.observe.bind(rule),
  };
};

test("AdaptiveLaunch hides what a host takes to hear of an answer", async () => {
  const point = { a: 0.6, c: 0.2, beta: 0.4 };
  const [ideal, real] = [await speedup(point, best, true), await speedup(point, best, true, { latencyMs: 0.15 })];
  const control = await speedup(point, unchained, true, { latencyMs: 0.15 });
  assert.ok(real > 0.91 * ideal && real > 1.02 * control, `${real}; without latency ${ideal}, unchained ${control}`);
});

for (const point of [{ a: 0.6, c: 0.5, beta: 0 }, { a: 0.8, c: 0.25, beta: 0 }]) {
  const { a, c } = point;
  test(`AdaptiveLaunch, a ${a}, c ${c}: where rows are free and the host is prompt, it is as fast as without a queue`, async () => {
    const options = { latencyMs: 0.05 };
    const [queued, control] = [
      await speedup(point, best, true, options),
      await speedup(point, unchained, true, options),
    ];
    assert.ok(queued > 0.985 * control, `${queued}, unchained ${control}`);
  });
}

test("a hedge gains where the draft lane has time for it", async () => {
  const point = { a: 0.6, c: 0.1, beta: 0 };
  assert.ok(await speedup(point, best, true) > 1.05 * await speedup(point, best));
});

for (
  const [name, point] of [
    ["the draft lane takes more from the verify lane than it gives", { a: 0.5, c: 0.3, beta: 0.2, drag: 2 }],
    ["it works for a part of each verification, as if the machine were slow", {
      a: 0,
      c: 0.1,
      beta: 0.4,
      drag: 1.3,
      turnaround: 0.1,
    }],
    ["drafting is slower than verifying", { a: 0.1, c: 1.9, beta: 0 }],
    ["every draft is wrong, however sure", { a: 0, c: 0.1, beta: 1, isBoastful: true }],
  ] as const
) {
  test(`AdaptiveLaunch is no slower than the verify lane alone where ${name}`, async () => {
    const all = { drag: 1, turnaround: 0, isBoastful: false, ...point };
    const texts = { texts: 3, tokens: 300 };
    const control = await sharedSpeedup(all, texts, () => launchAtOnce);
    const speedup = await sharedSpeedup(all, texts);
    assert.ok(speedup >= 0.98, `${speedup}; launched at once ${control}`);
    assert.ok(control < 0.98, `a control: launching at once loses, ${control}`);
  });
}

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
    const estimates = new Estimates();
    const launchRule = new AdaptiveLaunch(estimates, clock);
    await clock.run(() => collect(strategy, clock, [1, 2, 3], { ...lanes, estimates, launchRule, maxNewTokens: 2000 }));
    return clock.now() / 2000;
  };
  const [alone, drafted] = [await msOf(greedy), await msOf(amusd)];
  assert.ok(drafted < 1.05 * alone, `${drafted} ms a token, greedy ${alone}`);
});

test.run();
