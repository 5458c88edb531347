import vm from "node:vm";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { collectAtRest, countSubmission } from "../../src/gpu/garbage.ts";

/** How many collections there were so far: the platform file takes V8's `gc` from a new context. */
let collected = 0;
vm.runInNewContext = () => () => void collected++;

/** The collections during this many submissions. */
function submissions(count: number): number {
  const before = collected;
  for (let i = 0; i < count; i++) countSubmission();
  return collected - before;
}

test("garbage is collected at rest, and after each 1024 submissions without one", () => {
  for (const text of ["first", "second"]) {
    assert.is(submissions(1023), 0, text);
    assert.is(submissions(1), 1, text);
    assert.is(submissions(1024), 1, text);
    assert.is(submissions(600), 0, text);
    const before = collected;
    collectAtRest();
    assert.is(collected, before + 1, text);
  }
});

test.run();
