import { test } from "uvu";
import * as assert from "uvu/assert";
import { inTempFolder } from "../temp-folder.ts";
import { mutantOf } from "./mutants.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";

test("damaged models are refused by a plain Error of one line, or are sound", () =>
  inTempFolder(async (folder) => {
    const counts = new Map<Outcome, number>();
    for (let seed = 1; seed <= 300; seed++) {
      const { outcome, text } = await outcomeOf(mutantOf(seed).files, folder);
      assert.ok(outcome === "refused" || outcome === "opened", `--seed ${seed}: ${outcome}: ${text}`);
      counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
    }
    assert.ok(counts.get("refused")! > 100 && counts.get("opened")! > 20, JSON.stringify([...counts]));
  }));

test("a seed gives the same mutant each time, and another seed another", () => {
  assert.equal(mutantOf(7), mutantOf(7));
  assert.not.equal(mutantOf(7), mutantOf(8));
});

test.run();
