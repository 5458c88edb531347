import { test } from "uvu";
import * as assert from "uvu/assert";
import { randomOf } from "../../src/util/random.ts";

test("the numbers are those of mulberry32", () => {
  // Printed by the algorithm's original in C, as 32-bit integers.
  const original: [seed: number, numbers: number[]][] = [
    [0, [1144304738, 1416247, 958946056]],
    [1, [2693262067, 11749833, 2265367787]],
    [4_000_000_000, [2971717173, 2367362249, 2861420243]],
  ];
  for (const [seed, numbers] of original) {
    const random = randomOf(seed);
    assert.equal(numbers.map(() => random()), numbers.map((number) => number / 2 ** 32));
  }
});

test.run();
