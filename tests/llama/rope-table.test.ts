import { test } from "uvu";
import * as assert from "uvu/assert";
import { ropeTable } from "../../src/llama/rope-table.ts";

test("each pair of dimensions turns at its own frequency, times the magnitude", () => {
  for (const [size, magnitude] of [[64, 1], [96, 1.25]] as const) {
    const frequencies = Float64Array.from({ length: size / 2 }, (_, pair) => 500_000 ** (-2 * pair / size) / 4);
    const positions = 8192;
    const table = ropeTable(positions, { size, frequencies, magnitude });
    assert.is(table.length, positions * size);
    for (const position of [0, 1, 77, positions - 1]) {
      for (let pair = 0; pair < size / 2; pair++) {
        const angle = position * frequencies[pair]!;
        const at = position * size + 2 * pair;
        for (const [got, wanted] of [[table[at]!, Math.cos(angle)], [table[at + 1]!, Math.sin(angle)]] as const) {
          assert.ok(
            Math.abs(got - magnitude * wanted) < 1e-7,
            `position ${position}, pair ${pair}: got ${got}, wanted ${magnitude * wanted}`,
          );
        }
      }
    }
  }
});

test.run();
