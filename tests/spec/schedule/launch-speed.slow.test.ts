// How fast the launch rules are, over thousands of simulated tokens.

import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  fixedOf,
  GREEDY,
  HEDGED,
  laneOptionsOf,
  lanesOf,
  PROMPT,
  PUBLISHED,
  type Setting,
  simulate,
  UNHEDGED,
} from "../../../src/plan/simulate.ts";
import { betaAcceptance, simulatedPair } from "../../../src/plan/simulated-pair.ts";
import { AdaptiveLaunch } from "../../../src/spec/schedule/adaptive-launch.ts";
import { launchAtOnce } from "../../../src/spec/schedule/launch-rule.ts";
import { agreeingModel, hashModel, laneOptions } from "../simulated-run.ts";
import { hardwareOf, type Point } from "./point.ts";
import { sharedSpeedup } from "./shared-device.ts";

const AT_ONCE: Setting = { ...UNHEDGED, launchRule: () => launchAtOnce };

/** The time of `tokens` tokens, in ms, on lanes that nobody has measured. */
async function timeOf(setting: Setting, lanes: Parameters<typeof lanesOf>[0], tokens: number): Promise<number> {
  const [text] = await simulate({ setting, lanes: lanesOf(lanes), tokens, calibrates: false });
  assert.is(text!.log.length, PROMPT.length + tokens);
  return text!.endMs;
}

/**
 * Simulated speed over greedy's, by a verify lane whose host takes `latencyMs` to hear of an answer. The draft knows
 * its chances, which are mostly near 0 or 1, as those of real models are.
 */
async function speedup(setting: Setting, point: Point, { latencyMs = 0, seed = 7 } = {}): Promise<number> {
  const tokens = 3000;
  const pair = simulatedPair(betaAcceptance(point.a), seed);
  return tokens / await timeOf(setting, laneOptionsOf(hardwareOf(point, latencyMs, 0), pair, tokens + 10), tokens);
}

for (const beta of [0, 0.2]) {
  for (const c of [0.05, 0.2, 0.5]) {
    for (const a of [0.6, 0.9]) {
      test(`AdaptiveLaunch: a ${a}, c ${c}, beta ${beta}: as fast as any other rule, and than greedy`, async () => {
        const point = { a, c, beta };
        const [alone, hedged] = [await speedup(UNHEDGED, point), await speedup(HEDGED, point)];
        for (const setting of [AT_ONCE, PUBLISHED, fixedOf(1), fixedOf(2), fixedOf(4)]) {
          const other = await speedup(setting, point);
          assert.ok(alone >= 0.99 * other, `${alone}, ${other} by another rule`);
        }
        assert.ok(alone >= 1, `${alone}`);
        // Over more draws: a run of 3000 tokens is off by some percent.
        let [allAlone, allHedged] = [alone, hedged];
        for (const seed of [1, 2, 3]) {
          allAlone += await speedup(UNHEDGED, point, { seed });
          allHedged += await speedup(HEDGED, point, { seed });
        }
        assert.ok(allHedged >= 0.99 * allAlone, `${allHedged} with a hedge, ${allAlone} without`);
        // The linear bound, which hedges may pass.
        assert.ok(alone <= 1.03 / ((1 - a) + a * c), `${alone}`);
      });
    }
  }
}

/** Queues no verification behind another one. */
class Unqueued extends AdaptiveLaunch {
  override queueNext(): null {
    return null;
  }
}
const UNQUEUED: Setting = { ...HEDGED, launchRule: (estimates, clock) => new Unqueued(estimates, clock) };

test("AdaptiveLaunch hides what a host takes to hear of an answer", async () => {
  const point = { a: 0.6, c: 0.2, beta: 0.4 };
  const [ideal, real] = [await speedup(HEDGED, point), await speedup(HEDGED, point, { latencyMs: 0.15 })];
  const control = await speedup(UNQUEUED, point, { latencyMs: 0.15 });
  assert.ok(real > 0.91 * ideal && real > 1.02 * control, `${real}; without latency ${ideal}, unqueued ${control}`);
});

for (const point of [{ a: 0.6, c: 0.5, beta: 0 }, { a: 0.8, c: 0.25, beta: 0 }]) {
  const { a, c } = point;
  test(`AdaptiveLaunch, a ${a}, c ${c}: queues cost little where rows are free and the host is prompt`, async () => {
    const options = { latencyMs: 0.05 };
    const [queued, control] = [await speedup(HEDGED, point, options), await speedup(UNQUEUED, point, options)];
    assert.ok(queued > 0.985 * control, `${queued}, unqueued ${control}`);
  });
}

test("a hedge gains where the draft lane has time for it", async () => {
  const point = { a: 0.6, c: 0.1, beta: 0 };
  assert.ok(await speedup(HEDGED, point) > 1.05 * await speedup(UNHEDGED, point));
});

for (
  const [name, point] of [
    ["the draft lane takes more from the verify lane than it gives", { a: 0.5, c: 0.3, beta: 0.2, contention: 2 }],
    ["it works for a part of each verification, as if the machine were slow", {
      a: 0,
      c: 0.1,
      beta: 0.4,
      contention: 1.3,
      turnaround: 0.1,
    }],
    ["drafting is slower than verifying", { a: 0.1, c: 1.9, beta: 0 }],
    ["every draft is wrong, however sure", { a: 0, c: 0.1, beta: 1, isBoastful: true }],
  ] as const
) {
  test(`AdaptiveLaunch is no slower than the verify lane alone where ${name}`, async () => {
    const all = { contention: 1, turnaround: 0, isBoastful: false, ...point };
    const texts = { texts: 3, tokens: 300 };
    const control = await sharedSpeedup(all, texts, { ...AT_ONCE, hedge: true });
    const speedup = await sharedSpeedup(all, texts);
    assert.ok(speedup >= 0.98, `${speedup}; launched at once ${control}`);
    assert.ok(control < 0.98, `a control: launching at once loses, ${control}`);
  });
}

test("while drafting is paused, the verify lane doesn't wait for the host between its steps", async () => {
  const model = hashModel(5, 1000);
  // A host that takes 0.3 of a step to hear of an answer, and a draft as dear as the verify model, and mostly wrong.
  const common = { decodeMs: 1, prefillMs: 0.1, latencyMs: 0.3, capacity: 5000 };
  const lanes = {
    verify: laneOptions("verify", model, { ...common, verifyMs: (rows) => rows, stepsAhead: 2 }),
    draft: laneOptions("draft", agreeingModel(model, 0.1, 1000), common),
  };
  const [alone, drafted] = [await timeOf(GREEDY, lanes, 2000), await timeOf(HEDGED, lanes, 2000)];
  assert.ok(drafted < 1.05 * alone, `${drafted / 2000} ms a token, greedy ${alone / 2000}`);
});

test.run();
