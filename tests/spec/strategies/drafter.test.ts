import { test } from "uvu";
import * as assert from "uvu/assert";
import { Estimates } from "../../../src/spec/schedule/estimates.ts";
import { launchAtOnce } from "../../../src/spec/schedule/launch-rule.ts";
import { agreeingModel, hashModel, plainLoop } from "../simulated-run.ts";
import { type TwoLanes, type TwoLanesOptions, withTwoLanes } from "./two-lanes.ts";

const next = hashModel(5, 1000);
const wrong = agreeingModel(next, 0, 1000);
const prompt = [1, 2, 3];
const text = plainLoop(next, prompt, 40);

const lanes = (options: Partial<TwoLanesOptions>, body: (lanes: TwoLanes) => Promise<void>) =>
  withTwoLanes({ next, draftNext: next, prompt, maxTokens: 30, hedge: false, ...options }, async (lanes) => {
    lanes.verifier.prefill();
    lanes.drafter.prefill();
    await body(lanes);
  });

/** Commits what a verification of nothing chooses. */
const commitOne = async ({ verifier }: TwoLanes) => verifier.commit(await verifier.verify([]));

test("Drafter has room up to the token that is always the verify lane's own, and for what its lane holds", async () => {
  await lanes({ maxTokens: 10 }, async (two) => {
    assert.is(two.drafter.room, 9);
    await commitOne(two);
    assert.is(two.drafter.room, 8);
  });
  await lanes({ draftLane: { capacity: 5 } }, async ({ drafter }) => {
    assert.is(drafter.room, 3, "five fed tokens, the last of which chooses the one in position 5");
  });
  await lanes({ draftLane: { failAtMs: 0 } }, async ({ drafter }) => {
    await drafter.draft(1);
    assert.is(drafter.room, 0, "the lane is lost");
  });
});

test("Drafter hangs drafts on the log, each with its confidence and runner-up", async () => {
  await lanes({ draftLane: { confidence: () => 0.7, runnerUp: () => 8 } }, async ({ drafter, run: { log } }) => {
    await drafter.draft(3);
    assert.equal(log.pending().map(({ token }) => token), text.slice(0, 3));
    for (const { draft } of log.pending()) assert.equal(draft, { confidence: 0.7, runnerUp: 8 });
  });
});

test("Drafter tells how many messages in flight are of no use, and when its lane has to catch up first", async () => {
  const draftLane = { decodeMs: 30, stepsAhead: 2 };
  await lanes({ draftNext: wrong, draftLane }, async (two) => {
    const { drafter } = two;
    assert.is(drafter.staleInFlight, Infinity, "the prompt is being fed");
    assert.ok(drafter.step(undefined));
    await drafter.next;
    assert.is(drafter.staleInFlight, 0);
    assert.ok(drafter.step(undefined));
    assert.ok(drafter.step(undefined));
    assert.is(drafter.staleInFlight, 0);
    await commitOne(two);
    assert.is(drafter.staleInFlight, 2, "they go on from a token that was wrong");
    assert.ok(drafter.step(undefined));
    assert.is(drafter.staleInFlight, 2);
  });
});

test("Drafter begins anew only once while steps from ends before are in flight", async () => {
  await lanes({ draftNext: wrong, draftLane: { decodeMs: 100 } }, async (two) => {
    const { drafter, draftMessages } = two;
    assert.ok(drafter.step(undefined));
    await commitOne(two);
    assert.ok(drafter.step(undefined));
    await commitOne(two);
    assert.not.ok(drafter.step(undefined), "two steps are in flight, and both are stale");
    await drafter.next;
    assert.ok(drafter.step(undefined));
    assert.equal(draftMessages, ["prefill 2 at 0", "decode one x1 at 2", "decode one x1 at 3", "decode one x1 at 4"]);
  });
});

test("Drafter asks the rule with a step's chance and place, and reports a step that it sends", async () => {
  const heard: string[] = [];
  const launchRule = {
    ...launchAtOnce,
    holdDraft: (chance: number, ahead: number) => {
      heard.push(`${chance.toFixed(2)} at ${ahead}`);
      return ahead > 2;
    },
    drafting: () => heard.push("drafting"),
  };
  await lanes({ launchRule, draftLane: { confidence: () => 0.5 } }, async ({ drafter }) => {
    assert.ok(drafter.step(undefined));
    assert.not.ok(drafter.step(undefined), "the lane wants no step ahead");
    await drafter.next;
    assert.ok(drafter.step(undefined));
    await drafter.next;
    assert.not.ok(drafter.step(undefined), "held back");
  });
  assert.equal(heard, ["1.00 at 1", "drafting", "0.50 at 2", "drafting", "0.25 at 3"]);
});

test("Drafter tells the scheduler what its steps and the host took, and whether the verify lane worked", async () => {
  for (const stepsAhead of [1, 2]) {
    await lanes(
      { draftLane: { stepsAhead, latencyMs: 1, prefillMs: 0 }, verifyLane: { prefillMs: 0 } },
      async (two) => {
        const { drafter, verifier, run: { scheduler } } = two;
        await drafter.draft(2);
        await drafter.draft(1);
        verifier.verify([]);
        await drafter.draft(1);
        assert.equal(
          scheduler.heard.map(({ otherBusy, turnaroundMs }) => [otherBusy, turnaroundMs]),
          [0, 0, 1].map((otherBusy, i) => [otherBusy, stepsAhead === 1 && i > 0 ? 1 : undefined]),
          "the first one waited for the prefill; with a step ahead none waits for the host",
        );
        const { costs } = scheduler.estimates;
        assert.equal([costs.draftMs(false), costs.draftMs(true)], [2, 2]);
      },
    );
  }
});

test("Drafter learns nothing as it is made", async () => {
  const estimates = new Estimates();
  const { predictor } = estimates;
  for (let i = 0; i < 60; i++) predictor.observe(0.5, 1, true);
  const [newText, figures] = [predictor.newText, JSON.stringify(estimates.costs.figures)];
  let texts = 0;
  predictor.newText = () => {
    texts++;
    newText.call(predictor);
  };
  await lanes({ estimates }, async () => {});
  assert.is(texts, 1, "the run's begin alone");
  assert.is(JSON.stringify(estimates.costs.figures), figures);
});

test.run();
