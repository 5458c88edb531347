import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { VirtualClock } from "../../../src/spec/clock.ts";
import { NgramLane } from "../../../src/spec/lanes/ngram-lane.ts";
import { laneContract } from "./lane-contract.ts";
import { hashModel } from "../simulated-run.ts";

const next = hashModel(3, 7);
laneContract("n-gram look-up", {
  tokens: Array.from({ length: 40 }, (_, i) => next([i])),
  onlyDrafts: true,
  saves: false,
  withLane: async (body) => {
    const lane = new NgramLane("draft", 200, new VirtualClock());
    await body(lane);
    await lane.close();
  },
});

test("NgramLane goes on as the text did after the last longest match with its end", async () => {
  const lane = new NgramLane("draft", 100, new VirtualClock());
  await lane.prefill([1, 2, 3, 4, 9, 2, 3, 5, 1], 0);
  const { tokens, confidences } = await lane.verify([2, 3, 4], 9);
  assert.equal(tokens, [3, 4, 9]);
  assert.equal(confidences, [2 / 3, 3 / 4, 4 / 5], "1 2, then 1 2 3: longer than the later 2 3; then 1 2 3 4");
  const shorter = await lane.verify([7, 2], 9);
  assert.equal(shorter.tokens[1], 3, "the later of two of the same length");
  assert.ok(shorter.confidences[0]! < 0.01, "a token that never was");
});

test("NgramLane finds what a plain search finds, whatever was fed before and cut off", async () => {
  const textOf = (minLength: number) => fc.array(fc.nat(2), { minLength, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(textOf(1), textOf(1), fc.nat(), async (text, other, seed) => {
      const lane = new NgramLane("draft", 100, new VirtualClock());
      const kept = seed % text.length;
      await lane.prefill([...text.slice(0, kept), ...other], 0);
      if (kept < text.length - 1) await lane.prefill(text.slice(kept, -1), kept);
      const { tokens } = await lane.decode(text.at(-1)!, text.length - 1, 1);
      const joined = text.join("");
      let wanted = text.at(-1)!;
      for (let length = 1; length <= Math.min(16, text.length - 1); length++) {
        const at = joined.lastIndexOf(joined.slice(-length), text.length - length - 1);
        if (at >= 0) wanted = text[at + length]!;
      }
      assert.equal(tokens, [wanted]);
    }),
  );
});

test.run();
