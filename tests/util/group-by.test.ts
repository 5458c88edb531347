import { test } from "uvu";
import * as assert from "uvu/assert";
import { groupBy } from "../../src/util/group-by.ts";

test("groups and their members keep their order, and keys of any type are told apart", () => {
  assert.equal(groupBy([5, 2, 3, 8, 1], (value) => value % 2), [[5, 3, 1], [2, 8]]);
  assert.equal(groupBy([1, "1", undefined, 1], (value) => value), [[1, 1], ["1"], [undefined]]);
  assert.equal(groupBy([], () => 0), []);
});

test.run();
