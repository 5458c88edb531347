// Models whose logits are no numbers behind some texts.

import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { VirtualClock } from "../../../src/spec/clock.ts";
import { type LaneResult, NO_TOKEN } from "../../../src/spec/lanes/lane.ts";
import { SimulatedLane } from "../../../src/spec/lanes/simulated-lane.ts";
import { AdaptiveLaunch } from "../../../src/spec/schedule/adaptive-launch.ts";
import { Estimates } from "../../../src/spec/schedule/estimates.ts";
import { launchAtOnce } from "../../../src/spec/schedule/launch-rule.ts";
import { amusd } from "../../../src/spec/strategies/amusd.ts";
import { greedy } from "../../../src/spec/strategies/greedy.ts";
import { sd } from "../../../src/spec/strategies/sd.ts";
import type { Strategy } from "../../../src/spec/strategies/strategy.ts";
import { agreeingModel, collect, hash, hashModel, laneOptions, type Next, plainLoop } from "../simulated-run.ts";

const strategies: Record<string, Strategy> = { greedy, sd, amusd };
const prompt = [1, 2, 3];
const VOCABULARY = 50;

/** The model, but behind one text in `every` it has no token to choose. */
function failing(model: Next, seed: number, every: number): Next {
  return (text) => text.includes(NO_TOKEN) || hash(text, seed) % every === 0 ? NO_TOKEN : model(text);
}

/** A lane where one row without numbers spoils all rows of its pass. */
class SpoiltLane extends SimulatedLane {
  override async verify(tokens: readonly number[], position: number): Promise<LaneResult> {
    return spoilt(await super.verify(tokens, position));
  }

  override async verifyNext(drafted: readonly number[], position: number): Promise<LaneResult> {
    return spoilt(await super.verifyNext(drafted, position));
  }
}

function spoilt(result: LaneResult): LaneResult {
  return result.tokens.includes(NO_TOKEN) ? { ...result, tokens: result.tokens.map(() => NO_TOKEN) } : result;
}

const scenario = fc.record({
  seed: fc.integer(),
  every: fc.constantFrom(1, 2, 5, 20, 100),
  share: fc.double({ min: 0, max: 1, noNaN: true }),
  stepsAhead: fc.constantFrom(1, 2),
  draftMs: fc.constantFrom(1, 5, 20),
  lookahead: fc.integer({ min: 1, max: 15 }),
  maxTokens: fc.integer({ min: 1, max: 40 }),
  isAdaptive: fc.boolean(),
  spoils: fc.boolean(),
});

for (const [name, strategy] of Object.entries(strategies)) {
  test(`${name}: ends with an error where the verify model alone does, and after the same text`, async () => {
    await fc.assert(fc.asyncProperty(scenario, async (options) => {
      const { seed, every, share, stepsAhead, draftMs, lookahead, maxTokens, isAdaptive, spoils } = options;
      const model = hashModel(seed, VOCABULARY);
      const next = failing(model, seed + 1, every);
      const all = plainLoop(next, prompt, prompt.length + maxTokens);
      const failsAt = all.indexOf(NO_TOKEN);
      const clock = new VirtualClock();
      const lane = spoils ? SpoiltLane : SimulatedLane;
      const verify = new lane(clock, laneOptions("verify", next, { stepsAhead }));
      const draft = new SimulatedLane(
        clock,
        laneOptions("draft", agreeingModel(model, share, VOCABULARY), { stepsAhead, decodeMs: draftMs }),
      );
      const estimates = new Estimates();
      const launchRule = isAdaptive ? new AdaptiveLaunch(estimates, clock) : launchAtOnce;
      const outcome = await clock.run(() =>
        collect(strategy, clock, prompt, { verify, draft, maxTokens, lookahead, estimates, launchRule })
      );
      assert.equal(outcome.tokens, failsAt < 0 ? all : all.slice(0, failsAt));
      assert.equal(outcome.warnings, []);
      if (failsAt < 0) return assert.is(outcome.error, undefined);
      const { message } = outcome.error as Error;
      const where = `Cannot go on at token ${prompt.length + failsAt}: the verify model's logits are no numbers; `;
      assert.ok(message.startsWith(where), message);
      assert.match(message, /damaged: fetch it again, .* try --kv-cache f32$/);
    }));
  });

  test(`${name}: warns once of such a draft model, and writes the same text`, async () => {
    await fc.assert(fc.asyncProperty(scenario, async ({ seed, every, stepsAhead, draftMs, lookahead, maxTokens }) => {
      const next = hashModel(seed, VOCABULARY);
      const clock = new VirtualClock();
      const verify = new SimulatedLane(clock, laneOptions("verify", next, { stepsAhead }));
      const draft = new SimulatedLane(
        clock,
        laneOptions("draft", failing(next, seed + 1, every), { stepsAhead, decodeMs: draftMs }),
      );
      const outcome = await clock.run(() => collect(strategy, clock, prompt, { verify, draft, maxTokens, lookahead }));
      assert.is(outcome.error, undefined);
      assert.equal(outcome.tokens, plainLoop(next, prompt, prompt.length + maxTokens));
      assert.ok(outcome.warnings.length <= 1);
      for (const warning of outcome.warnings) {
        assert.match(warning, /^Cannot draft: the draft model's logits are no numbers; .*; going on without it$/);
      }
      if (every === 1 && name !== "greedy" && maxTokens > 2) assert.is(outcome.warnings.length, 1);
    }));
  });
}

test.run();
