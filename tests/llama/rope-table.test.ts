import { test } from "uvu";
import * as assert from "uvu/assert";
import { ropeTable } from "../../src/llama/rope-table.ts";

test("each pair of dimensions turns at its own frequency", () => {
  for (const headSize of [64, 128]) {
    const pairs = headSize / 2;
    const factors = Float32Array.from({ length: pairs }, (_, i) => 1 + i / 8);
    for (const [base, given, scale] of [[10_000, null, 1], [500_000, factors, 4]] as const) {
      const positions = 8192;
      const table = ropeTable(positions, { headSize, base, factors: given, scale });
      assert.is(table.length, positions * headSize);
      for (const position of [0, 1, 77, positions - 1]) {
        for (let pair = 0; pair < pairs; pair++) {
          const angle = position / (scale * (given?.[pair] ?? 1)) / Math.exp(Math.log(base) * 2 * pair / headSize);
          const at = position * headSize + 2 * pair;
          for (const [got, wanted] of [[table[at]!, Math.cos(angle)], [table[at + 1]!, Math.sin(angle)]] as const) {
            assert.ok(
              Math.abs(got - wanted) < 1e-7,
              `position ${position}, pair ${pair}: got ${got}, wanted ${wanted}`,
            );
          }
        }
      }
    }
  }
});

test("the first pair turns by one radian a position, and position 0 not at all", () => {
  const table = ropeTable(4, { headSize: 64, base: 10_000, factors: null, scale: 1 });
  assert.equal([...table.subarray(0, 4)], [1, 0, 1, 0]);
  assert.ok(Math.abs(table[3 * 64]! - Math.cos(3)) < 1e-7 && Math.abs(table[3 * 64 + 1]! - Math.sin(3)) < 1e-7);
});

test.run();
