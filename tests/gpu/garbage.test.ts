import vm from "node:vm";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { collectAtRest, countSubmission } from "../../src/gpu/garbage.ts";

/** The kinds of collections so far: the platform file takes V8's `gc` from a new context. */
const collected: string[] = [];
vm.runInNewContext = () => ({ type }: { readonly type: string }) => void collected.push(type);

/** The collections during this many submissions. */
function submissions(count: number): string[] {
  collected.length = 0;
  for (let i = 0; i < count; i++) countSubmission();
  return [...collected];
}

test("young garbage is collected after 256 submissions, then after each 32, and all at rest", () => {
  for (const text of ["first", "second"]) {
    assert.equal(submissions(255), [], text);
    assert.equal(submissions(1), ["minor"], text);
    assert.equal(submissions(31), [], text);
    assert.equal(submissions(1), ["minor"], text);
    assert.equal(submissions(320), Array(10).fill("minor"), text);
    collected.length = 0;
    collectAtRest();
    assert.equal(collected, ["major"], text);
  }
});

test.run();
