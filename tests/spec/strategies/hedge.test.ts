import { test } from "uvu";
import * as assert from "uvu/assert";
import { launchAtOnce } from "../../../src/spec/schedule/launch-rule.ts";
import { hashModel, plainLoop } from "../simulated-run.ts";
import { type TwoLanes, type TwoLanesOptions, withTwoLanes } from "./two-lanes.ts";

const next = hashModel(5, 1000);
const prompt = [1, 2, 3];
const text = plainLoop(next, prompt, 40);
/** The position of a draft that is wrong; the draft lane's second choice there is right. */
const DOUBTFUL = 4;

/**
 * Three drafts are pending, at positions 3 to 5, of which the first two are being verified. Their chances are 0.9, but
 * for `doubt` at position 4.
 */
function lanes(options: Partial<TwoLanesOptions>, doubt: number, body: (lanes: TwoLanes) => Promise<void>) {
  return withTwoLanes({
    next,
    draftNext: (text) => next(text) + (text.length === DOUBTFUL ? 1 : 0),
    prompt,
    maxTokens: 30,
    draftLane: {
      decodeMs: 20, // A verification takes 10.
      branchCapacity: 2,
      confidence: (text) => text.length === DOUBTFUL ? doubt : 0.9,
      runnerUp: (text, chosen) => text.length === DOUBTFUL ? next(text) : chosen + 2,
    },
    ...options,
  }, async (lanes) => {
    const { verifier, drafter, run: { log } } = lanes;
    verifier.prefill();
    drafter.prefill();
    await drafter.draft(3);
    verifier.verify(log.pending().slice(0, 2));
    await body(lanes);
  });
}

/** Sends steps as long as they are worth it, and returns their messages. */
async function steps({ drafter, draftMessages }: TwoLanes, count: number): Promise<string[]> {
  const sent = draftMessages.length;
  for (let i = 0; i < count; i++) {
    if (!drafter.step(2)) break;
    await drafter.next;
  }
  return draftMessages.slice(sent);
}

test("Hedge begins with the likeliest runner-up, if that is twice as likely as the main sequence's token", async () => {
  // The runner-up's chance is 0.9 (1 - doubt) / 2, that of the token behind the three drafts 0.9 doubt 0.9.
  await lanes({}, 0.2, async (two) => {
    assert.equal(await steps(two, 1), ["decode one forked at 4 x1 at 4"]);
    const [hedged, second] = two.drafter.hedgeChances;
    assert.ok(Math.abs(hedged! - 0.36) < 1e-9 && Math.abs(second! - 0.9) < 1e-9, two.drafter.hedgeChances.join());
  });
  await lanes({}, 0.22, async (two) => {
    assert.equal(await steps(two, 1), ["decode one x1 at 5"], "0.351 is less than twice 0.178");
    assert.equal(two.drafter.hedgeChances, []);
  });
});

test("Hedge's branch goes no further than the branch slots do, and then the main sequence goes on", async () => {
  await lanes({}, 0.02, async (two) => {
    const sent = await steps(two, 5);
    assert.equal(sent.slice(0, 2), ["decode one forked at 4 x1 at 4", "decode one forked at 4 x1 at 5"]);
    assert.ok(sent.length > 2 && sent.slice(2).every((message) => message.startsWith("decode one x1")), sent.join());
  });
});

test("Hedge's branch becomes the main sequence where the text comes to it", async () => {
  await lanes({}, 0.02, async (two) => {
    const { verifier, drafter, run: { log, scheduler }, draftMessages } = two;
    const sent = await steps(two, 2);
    assert.is(sent.length, 2);
    verifier.commit(await verifier.next!);
    assert.equal(log.committed.slice(3), text.slice(0, 2));
    assert.ok(drafter.step(undefined));
    await drafter.next;
    assert.equal(draftMessages.slice(-2), ["keep 2 at 4", "decode one x1 at 6"]);
    assert.equal(log.pending().map(({ token }) => token), text.slice(2, 5), "two drafts of the branch, and one behind");
    assert.equal(scheduler.trace.events.filter(({ kind }) => kind === "rollback").length, 1);
    assert.is(drafter.staleInFlight, 0);
    assert.equal(drafter.hedgeChances, []);
  });
});

test("Hedge's branch is given up where the text goes another way", async () => {
  // The verify model agrees with all drafts.
  const agreed = (text: readonly number[]) => next(text) + (text.length === DOUBTFUL ? 1 : 0);
  await lanes({ next: agreed }, 0.02, async (two) => {
    const { verifier, drafter, draftMessages } = two;
    assert.is((await steps(two, 1)).length, 1);
    assert.ok(drafter.step(2), "a step that is then of no use");
    verifier.commit(await verifier.next!);
    assert.ok(drafter.step(undefined));
    assert.is(drafter.staleInFlight, 1);
    assert.is(draftMessages.at(-1), "decode one x1 at 5");
    await drafter.next;
    await drafter.next;
    assert.not.ok(draftMessages.some((message) => message.startsWith("keep")));
  });
});

test("nothing is hedged without branch slots, against the user's will, or if the rule holds steps back", async () => {
  const isHedge = (message: string) => message.includes("forked");
  const launchRule = { ...launchAtOnce, holdDraft: () => true };
  for (
    const options of [{ draftLane: { branchCapacity: 0, confidence: () => 0.02 } }, { hedge: false }, { launchRule }]
  ) {
    await lanes(options, 0.02, async (two) => assert.not.ok((await steps(two, 3)).some(isHedge)));
  }
});

test.run();
