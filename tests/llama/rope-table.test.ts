import { test } from "uvu";
import * as assert from "uvu/assert";
import { ropeTable } from "../../src/llama/rope-table.ts";

test("each pair of dimensions turns at its own frequency, times the magnitude; those behind don't turn", () => {
  for (const [headSize, size, magnitude] of [[64, 64, 1], [128, 96, 1.25], [32, 10, 1]] as const) {
    const frequencies = Float64Array.from({ length: size / 2 }, (_, pair) => 500_000 ** (-2 * pair / size) / 4);
    const positions = 8192;
    const table = ropeTable(positions, headSize, { size, frequencies, magnitude });
    assert.is(table.length, positions * headSize);
    for (const position of [0, 1, 77, positions - 1]) {
      for (let pair = 0; pair < headSize / 2; pair++) {
        const angle = position * (frequencies[pair] ?? 0);
        const factor = pair < size / 2 ? magnitude : 1;
        const at = position * headSize + 2 * pair;
        for (const [got, wanted] of [[table[at]!, Math.cos(angle)], [table[at + 1]!, Math.sin(angle)]] as const) {
          assert.ok(
            Math.abs(got - factor * wanted) < 1e-7,
            `position ${position}, pair ${pair}: got ${got}, wanted ${factor * wanted}`,
          );
        }
      }
    }
  }
});

test.run();
