import { test } from "uvu";
import * as assert from "uvu/assert";
import { blobSource } from "../../src/platform/byte-source.ts";
import { assertRefused } from "../llama/refused.ts";

test("a blob is read at any offset, and never beyond its end", async () => {
  const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i);
  const source = blobSource(new Blob([bytes]), "b");
  assert.equal([source.name, source.size], ["b", 1000]);
  for (const [offset, length] of [[0, 1000], [10, 20], [1000, 0], [999, 1]] as const) {
    assert.equal(await source.read(offset, length), bytes.slice(offset, offset + length));
  }
  await assertRefused(
    () => source.read(990, 11),
    /^Cannot read "b": 11 bytes at 990 are wanted, the file has 1000 bytes; leave the file alone while it is in use$/,
  );
});

test.run();
