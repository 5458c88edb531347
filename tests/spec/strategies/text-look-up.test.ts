// Drafts that are looked up in the text, beside the draft model's.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { VirtualClock } from "../../../src/spec/clock.ts";
import { MAX_ROWS } from "../../../src/spec/lanes/lane.ts";
import { SimulatedLane } from "../../../src/spec/lanes/simulated-lane.ts";
import { AdaptiveLaunch } from "../../../src/spec/schedule/adaptive-launch.ts";
import { calibrate } from "../../../src/spec/schedule/calibrate.ts";
import { Estimates } from "../../../src/spec/schedule/estimates.ts";
import { amusd } from "../../../src/spec/strategies/amusd.ts";
import { summarize } from "../../../src/spec/trace/summary.ts";
import { agreeingModel, collect, hashModel, laneOptions, type Next, plainLoop } from "../simulated-run.ts";

const PERIOD = 20;
/** Writes the same 20 tokens over and over. */
const repeats: Next = (text) => text.length % PERIOD;
const random = hashModel(3, 1000);
const PROMPT = Array.from({ length: 2 * PERIOD }, (_, i) => i % PERIOD);

/** A text of 100 tokens by the adaptive rule, on lanes of which a row costs a hundredth. */
async function write(verify: Next, draft: Next, lookUp: boolean, estimates = new Estimates()) {
  const clock = new VirtualClock();
  return await clock.run(async () => {
    const lanes = {
      verify: new SimulatedLane(clock, laneOptions("verify", verify, { verifyMs: (rows) => 10 + rows / 10 })),
      draft: new SimulatedLane(clock, laneOptions("draft", draft)),
    };
    await calibrate(lanes.verify, lanes.draft, estimates.costs, clock);
    const launchRule = new AdaptiveLaunch(estimates, clock);
    const run = await collect(amusd, clock, PROMPT, { ...lanes, maxTokens: 100, lookUp, estimates, launchRule });
    assert.is(run.error, undefined);
    assert.equal(run.tokens, plainLoop(verify, PROMPT, PROMPT.length + 100));
    return { ...summarize(run.events), events: run.events };
  });
}

test("a text that repeats itself is verified 15 drafts at a time, however bad the draft model is", async () => {
  const wrong = agreeingModel(repeats, 0, PERIOD);
  const with_ = await write(repeats, wrong, true);
  assert.ok(with_.verifications <= 9, `${with_.verifications} verifications`);
  assert.ok(with_.accepted >= 90, `${with_.accepted} accepted`);
  const rows = with_.events.flatMap((event) => event.kind === "operation" && event.lookedUp ? [event.lookedUp] : []);
  assert.ok(rows.filter((count) => count === MAX_ROWS - 1).length >= 5, `${rows}`);
  assert.ok(with_.drafted >= with_.accepted && with_.wastedDrafts >= 0);
  const without = await write(repeats, wrong, false);
  assert.ok(without.verifications > 90, `${without.verifications} without`);
});

test("the draft lane rests as long as what is looked up is right", async () => {
  const busyMs = async (lookUp: boolean) => {
    const { lanes } = await write(repeats, repeats, lookUp);
    return lanes.find(({ name }) => name === "draft")!.busyMs;
  };
  const [with_, without] = [await busyMs(true), await busyMs(false)];
  assert.ok(with_ < 0.6 * without, `${with_} ms busy, ${without} without`);
});

test("what is looked up and wrong gives way to the draft model, in the next text too", async () => {
  // The end of the prompt occurs before, and the text goes another way each time.
  const restless: Next = (text) => text.length % 3 === 0 ? random(text) : text.at(-3) ?? 0;
  const draft = agreeingModel(restless, 0.7, 1000);
  const estimates = new Estimates();
  await write(restless, draft, true, estimates);
  assert.ok(estimates.lookUp.mean < 0.65, `${estimates.lookUp.mean} of what was looked up was right`);
  const [with_, without] = [await write(restless, draft, true, estimates), await write(restless, draft, false)];
  assert.ok(with_.verifications <= 1.2 * without.verifications, `${with_.verifications}, ${without.verifications}`);
});

test.run();
