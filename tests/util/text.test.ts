import { test } from "uvu";
import * as assert from "uvu/assert";
import { firstLine, quote } from "../../src/util/text.ts";

test("quoted text is on one line and not endless", () => {
  assert.is(quote('a "b"\n'), '"a \\"b\\"\\n"');
  assert.is(quote("x".repeat(80)), `"${"x".repeat(80)}"`);
  assert.is(quote("x".repeat(81)), `"${"x".repeat(80)}..."`);
});

test("the first line is the first that isn't empty", () => {
  assert.is(firstLine("\n error: x\n  at y\n"), "error: x");
  assert.is(firstLine("error"), "error");
  assert.is(firstLine(""), "");
});

test.run();
