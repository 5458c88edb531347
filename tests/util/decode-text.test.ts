import { test } from "uvu";
import * as assert from "uvu/assert";
import { decodeText, encodingOf } from "../../src/util/decode-text.ts";
import goldens from "../goldens/text-files.json" with { type: "json" };

const bytesOf = (base64: string) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
const utf8 = (text: string) => new TextEncoder().encode(text);
const utf16 = (text: string) => new Uint8Array(Uint16Array.from(text, (unit) => unit.charCodeAt(0)).buffer);

test("texts come out as Python's codecs have them, in UTF-8 and UTF-16, without their byte order mark", () => {
  for (const { bytes, text } of goldens.texts) assert.is(decodeText(bytesOf(bytes)), text);
});

test("the first wrong byte is told where Python finds it", () => {
  for (const { bytes, at } of goldens.damaged) {
    const data = bytesOf(bytes);
    const value = data[at]!.toString(16).padStart(2, "0");
    assert.throws(() => decodeText(data), (error: Error) => {
      assert.is(error.message, `byte ${at} (0x${value}) is no UTF-8; save it as UTF-8`);
      return error instanceof RangeError;
    });
    const marked = new Uint8Array([0xef, 0xbb, 0xbf, ...data]);
    assert.throws(() => decodeText(marked), new RegExp(`^byte ${at + 3} \\(0x${value}\\) is no UTF-8; `));
  }
});

test("UTF-16 without a mark is read where its first characters are ASCII, else refused", () => {
  assert.is(decodeText(utf16('{"prompt": "größer 日"}\r\n')), '{"prompt": "größer 日"}\r\n');
  const swapped = utf16("Name one 日").map((_, i, bytes) => bytes[i ^ 1]!);
  assert.is(decodeText(swapped), "Name one 日");
  // "Что это": its bytes are characters of UTF-8, of which the space gives a NUL.
  assert.throws(() => decodeText(utf16("Что это")), /^byte 7 is NUL, which no text has; save it as UTF-8$/);
  assert.throws(() => decodeText(utf16("日本")), /^byte 0 \(0xe5\) is no UTF-8; /);
});

test("what only looks like a text is refused", () => {
  assert.throws(() => decodeText(utf8("ab\0c")), /^byte 2 is NUL, /);
  assert.throws(() => decodeText(new Uint8Array([0xff, 0xfe, 0x61, 0, 0, 0])), /^byte 4 is NUL, /);
  for (const bytes of [[0xff, 0xfe, 0x61], [0xff, 0xfe, 0x3d, 0xd8, 0x61, 0]]) {
    assert.throws(() => decodeText(new Uint8Array(bytes)), /^its UTF-16 is damaged or cut short; save it as UTF-8$/);
  }
  // UTF-32's mark begins as UTF-16's.
  assert.throws(() => decodeText(new Uint8Array([0xff, 0xfe, 0, 0, 0x61, 0, 0, 0])), /^byte 2 is NUL, /);
});

test("a character that the end cuts is an error, or left out", () => {
  const euro = utf8("a€");
  assert.throws(() => decodeText(euro.subarray(0, 3)), /^byte 1 \(0xe2\) is no UTF-8; /);
  assert.is(decodeText(euro.subarray(0, 3), { mayBeCut: true }), "a");
  assert.is(decodeText(new Uint8Array([0xff, 0xfe, 0x61, 0, 0x62]), { mayBeCut: true }), "a");
  // What a decoder holds back does not come into the next text.
  assert.is(decodeText(utf8("b")), "b");
});

test("short and empty texts are UTF-8", () => {
  for (const text of ["", "a", "ab", "é", "\n"]) assert.is(decodeText(utf8(text)), text);
  assert.is(decodeText(utf8("\ufeff")), "");
  assert.equal(encodingOf(new Uint8Array(0)), { name: "utf-8", markBytes: 0 });
});

test.run();
