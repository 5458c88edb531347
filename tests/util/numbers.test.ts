import { test } from "uvu";
import * as assert from "uvu/assert";
import { mean, median, onLine, ratio, sum } from "../../src/util/numbers.ts";

test("sum, mean, median and ratio, also where there is nothing to take them of", () => {
  assert.equal([sum([1, 2, 4]), sum([])], [7, 0]);
  assert.equal([mean([1, 2, 6]), mean([])], [3, NaN]);
  assert.equal([median([9, 1, 5]), median([4, 3, 2, 1]), median([])], [5, 3, undefined]);
  assert.equal([ratio(3, 2), ratio(3, 0)], [1.5, null]);
});

test("onLine() meets what is known, goes on beyond it, and never falls", () => {
  const on = (values: Readonly<Record<number, number>>, ...xs: number[]) => {
    const known = Object.keys(values).map(Number);
    return xs.map((x) => onLine(known, (x) => values[x]!, x));
  };
  assert.equal(on({ 2: 10, 4: 14, 8: 30 }, 1, 2, 3, 4, 6, 8, 9), [8, 10, 12, 14, 22, 30, 34]);
  assert.equal(on({ 2: 1, 4: 9 }, 1), [0]);
  assert.equal(on({ 2: 10, 4: 6, 8: 8 }, 1, 2, 3, 4, 6), [10, 10, 10, 6, 7]);
  assert.equal(on({ 2: 10, 4: 6 }, 9), [6]);
  assert.equal(on({ 3: 5 }, 1, 3, 9), [5, 5, 5]);
});

test.run();
