import { test } from "uvu";
import * as assert from "uvu/assert";
import { blobSource, type ByteSource } from "../../src/platform/byte-source.ts";
import { GGUF_TYPES, GgufReader } from "../../src/checkpoint/gguf-reader.ts";
import { openGguf } from "../../src/checkpoint/gguf.ts";
import { ggufFile, openBytes } from "./gguf-builder.ts";
import { assertRefused } from "../llama/refused.ts";
import { sourceOf } from "./memory-source.ts";

test("numbers come as their type has them, booleans as 0 and 1, wide ones as doubles", async () => {
  const bytes = new Uint8Array(17);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, 7);
  view.setBigInt64(1, -(2n ** 40n), true);
  view.setBigUint64(9, 2n ** 53n, true);
  const reader = new GgufReader(sourceOf(bytes, bytes.length));
  assert.equal(await reader.numbers(GGUF_TYPES.BOOL, 1), Uint8Array.of(1));
  assert.equal(await reader.numbers(11, 1), Float64Array.of(-(2 ** 40)));
  assert.is(await reader.u64(), 2 ** 53);
  assert.is(reader.position, 17);
  assert.is(GgufReader.numberBytes(11), 8);
  assert.is(GgufReader.numberBytes(GGUF_TYPES.STRING), undefined);
});

test("a read beyond the file's end names the part of the file and the figures", async () => {
  const reader = new GgufReader(sourceOf(new Uint8Array(6), 12));
  reader.section = "its metadata";
  assert.is(await reader.u32(), 0);
  const cut =
    /^Cannot read model "memory": it is cut short or damaged within its metadata: 4 bytes are to follow byte 4, /;
  await assertRefused(() => reader.u32(), cut);
  reader.assertCount(2, "keys", 2, 1);
  await assertRefused(async () => reader.assertCount(2, "keys", 2, 2), cut);
  await assertRefused(
    async () => reader.assertCount(3, "keys", 2, 0),
    /it has 3 keys, at most 2 are read; the file is/,
  );
});

test("a header larger than the window, with items across its edges", async () => {
  const long = "ä".repeat(700_000);
  const strings = Array.from({ length: 200_000 }, (_, i) => `token ${i}`);
  const numbers = Array.from({ length: 400_000 }, (_, i) => i);
  const file = ggufFile(
    [["a", "string[]", strings], ["b", "string", long], ["c", "u32[]", numbers], ["d", "u8", 1]],
    [],
  );
  const { metadata } = await openBytes(file);
  assert.equal(metadata.get("a"), strings);
  assert.ok(metadata.get("b") === long);
  assert.equal([...metadata.get("c") as Uint32Array], numbers);
  assert.is(metadata.get("d"), 1);
});

test("refused: a header of more than 32 MiB, though its file has them", async () => {
  const zeros = new Uint8Array(2 ** 20);
  const keys = Array.from({ length: 40 }, (_, i) => ggufFile([[`key ${i + 10}`, "u8[]", []]], []).subarray(24));
  for (const key of keys) new DataView(key.buffer, key.byteOffset).setUint32(key.length - 8, zeros.length, true);
  const head = ggufFile([], []);
  new DataView(head.buffer).setBigUint64(16, 40n, true);
  const [keyBytes, stride] = [keys[0]!.length, keys[0]!.length + zeros.length];
  const source: ByteSource = {
    name: "large.gguf",
    size: head.length + 40 * stride,
    async read(offset, length) {
      const bytes = new Uint8Array(length);
      bytes.set(head.subarray(Math.min(offset, head.length)));
      keys.forEach((key, i) => {
        const at = head.length + i * stride - offset;
        if (at < length && at + keyBytes > 0) bytes.set(key.subarray(Math.max(0, -at), length - at), Math.max(0, at));
      });
      return bytes;
    },
    async close() {},
  };
  await assertRefused(() => openGguf(source), /its header goes beyond 33554432 bytes, the most read; the file is/);
  await openGguf({
    ...source,
    read: async (offset, length) => {
      const bytes = await source.read(offset, length);
      if (offset === 0) bytes[16] = 31;
      return bytes;
    },
  });
});

test("a string longer than any that is used is left out, unread", async () => {
  const long = "x".repeat(2 ** 22);
  const file = ggufFile([["a", "string", `${long}y`], ["b", "string", long], ["c", "u8", 1]], []);
  let bytesRead = 0;
  const blob = blobSource(new Blob([file]), "test.gguf");
  const { metadata } = await openGguf({
    ...blob,
    read: (offset, length) => {
      bytesRead += length;
      return blob.read(offset, length);
    },
  });
  assert.equal([...metadata.keys()], ["b", "c"]);
  assert.ok(metadata.get("b") === long);
  // A window before the long string, one around "b", and the one that "b" doesn't fit into.
  assert.ok(bytesRead < 2 ** 22 + 3 * 2 ** 20, `${bytesRead} bytes were read`);
});

test("refused: more strings than a vocabulary has, though each array is short enough", async () => {
  const bytes = new Uint8Array(80);
  const reader = new GgufReader(sourceOf(bytes, bytes.length));
  assert.equal(await reader.strings(2, "an element", 8), ["", ""]);
  await assertRefused(
    () => reader.strings(2 ** 21 - 1, "an element", 8),
    /it has 2097153 strings, at most 2097152 are read; the file is damaged/,
  );
});

test.run();
