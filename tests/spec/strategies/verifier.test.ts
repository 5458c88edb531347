import { test } from "uvu";
import * as assert from "uvu/assert";
import { agreeingModel, hashModel, plainLoop } from "../simulated-run.ts";
import { type TwoLanes, type TwoLanesOptions, withTwoLanes } from "./two-lanes.ts";

const next = hashModel(5, 1000);
const wrong = agreeingModel(next, 0, 1000);
const prompt = [1, 2, 3];
const text = plainLoop(next, prompt, 40);
const DRAFT = { confidence: 0.6, runnerUp: 7 };

const lanes = (options: Partial<TwoLanesOptions>, body: (lanes: TwoLanes) => Promise<void>) =>
  withTwoLanes({ next, draftNext: next, prompt, maxTokens: 30, ...options }, async (lanes) => {
    lanes.verifier.prefill();
    await body(lanes);
  });

/** Puts drafts on the log, from its end on. */
function draft({ run: { log } }: TwoLanes, tokens: readonly number[]) {
  let tip = log.end;
  return tokens.map((token) => tip = log.draft(tip, token, DRAFT));
}

test("Verifier has room for as many rows as the text's end and the lane's queue allow", async () => {
  await lanes({ verifyLane: { capacity: 12, stepsAhead: 2 } }, async (two) => {
    const { verifier } = two;
    assert.is(verifier.room, 8, "the token in the last place is the verify lane's own");
    verifier.verify(draft(two, text.slice(0, 2)));
    assert.is(verifier.room, 5, "behind three tokens");
    verifier.verify([]);
    assert.ok(verifier.room < 0, "two are in flight");
  });
  await lanes({ maxTokens: 100, verifyLane: { stepsAhead: 1 } }, async ({ verifier }) => {
    assert.is(verifier.room, 15);
    verifier.verify([]);
    assert.ok(verifier.room < 0, "the lane wants no queue");
  });
});

test("Verifier tells how many pending tokens are being verified, also where the text went another way", async () => {
  for (const [first, verifying] of [[text.slice(0, 2), 2], [[text[0]!, 9], 0]] as const) {
    await lanes({ verifyLane: { stepsAhead: 2 } }, async (two) => {
      const { verifier, run } = two;
      assert.is(verifier.verifying, undefined);
      const drafted = draft(two, [...first, ...text.slice(2, 5)]);
      verifier.verify(drafted.slice(0, 2));
      verifier.verify(drafted.slice(3));
      assert.is(verifier.verifying, 2);
      verifier.commit(await verifier.next!);
      assert.is(verifier.verifying, verifying);
      verifier.commit(await verifier.next!);
      assert.is(verifier.verifying, undefined);
      assert.equal(run.log.committed.slice(3), text.slice(0, run.log.length - 3));
    });
  }
});

test("Verifier commits nothing after an end-of-text token, and has then ended", async () => {
  await lanes({ eosIds: [text[1]!] }, async (two) => {
    const batch = two.verifier.commit(await two.verifier.verify(draft(two, text.slice(0, 4))));
    assert.equal(batch.map(({ token, origin }) => [token, origin]), [[text[0], "accepted"], [text[1], "accepted"]]);
    assert.ok(two.verifier.ended);
  });
});

test("Verifier tells the scheduler which drafts were right, those that were not verified too", async () => {
  await lanes({}, async (two) => {
    const { verifier, run: { scheduler } } = two;
    const pending = draft(two, [text[0]!, wrong([...prompt, text[0]!]), 5]);
    const [accepted, correction] = verifier.commit(await verifier.verify(pending.slice(0, 1)));
    assert.equal([accepted!.origin, correction!.origin], ["accepted", "bonus"]);
    const heard = scheduler.heard.at(-1)!;
    assert.equal([heard.operation.accepted, heard.operation.stale], [1, false]);
    assert.equal(heard.judged, [
      { confidence: 0.6, place: 1, isRight: true, runnerUpIsRight: false },
      { confidence: 0.6, place: 2, isRight: false, runnerUpIsRight: text[1] === 7 },
    ]);
    verifier.commit(await verifier.verify([]));
    assert.equal(scheduler.heard.at(-1)!.judged, [], "nothing was pending");
    // A text that goes on right behind a wrong token is no judgement of what comes behind.
    draft(two, [9, text[4]!]);
    verifier.commit(await verifier.verify(draft(two, text.slice(3, 5))));
    assert.equal(scheduler.heard.at(-1)!.judged!.map(({ place, isRight }) => [place, isRight]), [[1, false]]);
  });
});

test("Verifier tells the scheduler what its lane and the draft lane were doing", async () => {
  await lanes({ verifyLane: { latencyMs: 3, verifyMs: () => 10, prefillMs: 0 } }, async (two) => {
    const { verifier, drafter, run: { scheduler } } = two;
    const circumstances = () => {
      const { otherBusy, turnaroundMs } = scheduler.heard.at(-1)!;
      return [otherBusy, turnaroundMs];
    };
    verifier.commit(await verifier.verify([]));
    assert.equal(circumstances(), [0, undefined], "behind the prefill, and no draft lane at work");
    drafter.lane.decode(1, 0, 2); // 4 ms of the verification's 10.
    verifier.commit(await verifier.verify([]), drafter.lane);
    assert.equal(circumstances(), [0.4, 3]);
    verifier.commit(await verifier.lane.decode(two.run.log.end.token, two.run.log.end.position, 1));
    assert.equal(circumstances(), [0, undefined], "decode steps don't wait for the host");
  });
});

test.run();
