import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { blobSource } from "../../src/platform/byte-source.ts";
import { gatherRows } from "../../src/checkpoint/gathered-rows.ts";

const K = 32;
/** Bytes of a row in Q8_0. */
const ROW_BYTES = 34;
const OFFSET = 50;

test("any part of the gathered rows has the bytes of the rows that it was gathered from", async () => {
  const runs = fc.array(fc.tuple(fc.nat(19), fc.integer({ min: 1, max: 6 })), { minLength: 1, maxLength: 8 });
  await fc.assert(fc.asyncProperty(runs, fc.nat(), fc.nat(), async (runs, a, b) => {
    const rows = Uint32Array.from(
      runs.flatMap(([first, count]) => Array.from({ length: count }, (_, i) => (first + i) % 20)),
    );
    const bytes = Uint8Array.from({ length: OFFSET + 20 * ROW_BYTES }, (_, i) => i * 7 + (i >> 8));
    const reads: number[] = [];
    const blob = blobSource(new Blob([bytes]), "test");
    const source = {
      ...blob,
      read: (offset: number, length: number) => (reads.push(length), blob.read(offset, length)),
    };
    const size = 20 * ROW_BYTES;
    const tensor = { name: "t", type: "Q8_0", shape: [K, 20], source, offset: OFFSET, bytes: size } as const;
    const gathered = gatherRows(tensor, rows);
    assert.equal(gathered.shape, [K, rows.length]);
    assert.is(gathered.bytes, rows.length * ROW_BYTES);
    const wanted = Array.from(rows).flatMap((row) => [
      ...bytes.subarray(OFFSET + row * ROW_BYTES, OFFSET + (row + 1) * ROW_BYTES),
    ]);
    const [from, to] = [a % wanted.length, b % wanted.length].sort((a, b) => a - b) as [number, number];
    const read = await gathered.source.read(gathered.offset + from, to - from + 1);
    assert.equal([...read], wanted.slice(from, to + 1));
    assert.ok(reads.length <= 2 * runs.length, "a run of rows is one read");
  }));
});

test.run();
