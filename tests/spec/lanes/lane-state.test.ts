import { test } from "uvu";
import * as assert from "uvu/assert";
import { LaneState } from "../../../src/spec/lanes/lane-state.ts";

/** A lane with room for 20 tokens, 4 of them on a branch, that was fed 10. */
function fed(): LaneState {
  const state = new LaneState("verify", 20, 4);
  state.prefill(10, 0);
  return state;
}

function refuses(message: () => void, text: string): void {
  assert.throws(message, (error: Error) => error instanceof RangeError && error.message === text);
}

test("LaneState says what doesn't fit, and is then as before", () => {
  const state = fed();
  refuses(
    () => state.verify(2, 11),
    "Cannot verify 2 tokens at position 11 on the verify lane: its cache holds 10, wanted a position from 0 to that",
  );
  refuses(
    () => state.verify(17, 0),
    "Cannot verify 17 tokens at position 0 on the verify lane: wanted 1 to 16 tokens",
  );
  refuses(
    () => state.prefill(11, 10),
    "Cannot prefill 11 tokens at position 10 on the verify lane: wanted at most its capacity of 20",
  );
  refuses(
    () => state.decode(1, 10, 5, 10),
    "Cannot decode 5 tokens at position 10 of a branch on the verify lane: wanted at most 4 on a branch",
  );
  refuses(
    () => state.verifyNext(1, 10),
    "Cannot verify ahead on the verify lane: the message before is no verification",
  );
  state.prefill(10, 10);
});

test("LaneState lets a message go on only from one that chose", () => {
  const state = fed();
  const text = "Cannot decode on the verify lane without a token: the message before it chose none";
  refuses(() => state.decode(null, 10, 1), text);
  state.verify(1, 10);
  state.verifyNext(2, 11);
  state.verifyNext(1, 13);
  state.decode(null, 14, 1);
  state.decode(null, 15, 1);
  state.decode(1, 16, 2, 16);
  state.decode(null, 18, 1, 16);
  state.keep(16, 3);
  refuses(() => state.decode(null, 19, 1), text);
  refuses(
    () => state.verifyNext(1, 19),
    "Cannot verify ahead on the verify lane: the message before is no verification",
  );
});

test("LaneState keeps a branch until the main sequence is cut below its fork, or another one begins", () => {
  const state = fed();
  state.decode(1, 8, 2, 8);
  state.verify(4, 8);
  state.decode(1, 10, 1, 8);
  refuses(
    () => state.keep(8, 4),
    "Cannot keep 4 tokens from position 8 on the verify lane: its branch has 3 from 8 on",
  );
  state.keep(8, 3);
  state.decode(1, 11, 1);

  state.decode(1, 12, 1, 12);
  state.verify(1, 11);
  refuses(() => state.keep(12, 1), "Cannot keep 1 tokens from position 12 on the verify lane: its branch is gone");
  refuses(
    () => state.decode(1, 13, 1, 12),
    "Cannot decode 1 tokens at position 13 of a branch on the verify lane: there is no branch from 12 to there",
  );

  state.decode(1, 12, 2, 12);
  state.decode(1, 5, 1, 5);
  refuses(
    () => state.keep(12, 2),
    "Cannot keep 2 tokens from position 12 on the verify lane: its branch has 1 from 5 on",
  );
  state.keep(5, 1);
  refuses(
    () => state.verify(1, 7),
    "Cannot verify 1 tokens at position 7 on the verify lane: its cache holds 6, wanted a position from 0 to that",
  );
});

test("LaneState is closed once, and takes nothing after that", () => {
  const state = fed();
  state.decode(1, 10, 1, 10);
  assert.equal([state.close(), state.close()], [true, false]);
  for (const message of [() => state.prefill(1, 0), () => state.decode(1, 10, 1, 10), () => state.keep(10, 1)]) {
    assert.throws(message, (error: Error) => error.message === "Cannot use the verify lane: it is closed");
  }
});

test.run();
