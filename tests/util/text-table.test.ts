import { test } from "uvu";
import * as assert from "uvu/assert";
import { markdownTable, textTable } from "../../src/util/text-table.ts";

const ROWS = [["what", "ms", "same"], ["a step", "8.25", "yes"], ["all", "120 [100..140]", ""], ["none", "-", "no"]];

test("textTable() sets numbers to the right, and leaves nothing behind a line", () => {
  assert.equal(textTable(ROWS).split("\n"), [
    "what    ms              same",
    "a step            8.25  yes",
    "all     120 [100..140]",
    "none                 -  no",
  ]);
});

test("markdownTable() has a rule below the head", () => {
  assert.equal(markdownTable(ROWS).split("\n"), [
    "| what   | ms             | same |",
    "| ------ | -------------- | ---- |",
    "| a step | 8.25           | yes  |",
    "| all    | 120 [100..140] |      |",
    "| none   | -              | no   |",
  ]);
});

test.run();
