import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import zlib from "node:zlib";
import { textRows } from "../../src/benchmark/text-rows.ts";
import goldens from "../goldens/text-files.json" with { type: "json" };
import { inTempFolder } from "../temp-folder.ts";

const bytesOf = (base64: string) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
const utf8 = (text: string) => new TextEncoder().encode(text);
const gzip = (content: string | Uint8Array) => new Uint8Array(zlib.gzipSync(content));
const joined = (...parts: readonly Uint8Array[]) => new Uint8Array(parts.flatMap((part) => [...part]));

/** The names and values of the rows. */
async function rowsOf(bytes: Uint8Array, isGzip = false): Promise<[string, unknown][]> {
  const rows: [string, unknown][] = [];
  await inTempFolder(async (folder) => {
    await Deno.writeFile(`${folder}/data`, bytes);
    for await (const row of textRows(`${folder}/data`, isGzip)) rows.push([row.name, await row.value()]);
  });
  return rows;
}
const valuesOf = async (bytes: Uint8Array, isGzip?: boolean) => (await rowsOf(bytes, isGzip)).map(([, value]) => value);

async function failure(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(() => null, (error) => error);
  assert.instance(error, SyntaxError);
  return error.message;
}

test("all members of a gzip file are read, as Python reads them", async () => {
  for (const { bytes, rows } of goldens.gzips) assert.equal(await valuesOf(bytesOf(bytes), true), rows);
});

test("a member may end where a read ends, and zeros may go on over many reads", async () => {
  // A name in the header (RFC 1952, section 2.3) makes the member as long as one read.
  const member = gzip('{"a":1}\n');
  const name = new Uint8Array(2 ** 18 - member.length).fill(65);
  name[name.length - 1] = 0;
  const head = member.slice(0, 10);
  head[3] = 8;
  const long = joined(head, name, member.subarray(10));
  assert.is(long.length, 2 ** 18);
  assert.equal(await valuesOf(joined(long, gzip('{"b":2}')), true), [{ a: 1 }, { b: 2 }]);
  assert.equal(await valuesOf(joined(member, new Uint8Array(600_000), gzip('{"b":2}')), true), [{ a: 1 }, { b: 2 }]);
});

test("a gzip stream that is cut, damaged or followed by something else is told", async () => {
  const two = joined(gzip('{"a":1}\n'), gzip('{"b":2}\n'));
  const damaged = two.slice();
  damaged[damaged.length - 6]! ^= 1;
  for (
    const bytes of [
      ...[2, 12, two.length / 2 + 1, two.length / 2 + 12, two.length - 1].map((length) => two.subarray(0, length)),
      damaged,
      joined(two, utf8("more")),
      joined(two, new Uint8Array(9), utf8("more")),
    ]
  ) {
    assert.is(await failure(valuesOf(bytes, true)), "its gzip stream is damaged or cut short; fetch it again");
  }
});

test("what unfolds into one endless row is refused, and into nothing takes no memory", async () => {
  const megabyte = (letter: string) => letter.repeat(2 ** 20);
  const bomb = (letter: string, count: number) => joined(...Array<Uint8Array>(count).fill(gzip(megabyte(letter))));
  assert.is(
    await failure(valuesOf(joined(gzip("{}\n"), bomb("[", 20)), true)),
    "line 2 has over 16777216 bytes, wanted a JSON object of fewer",
  );
  assert.equal(await valuesOf(bomb("\n", 20), true), []);
});

test("arrays come out as Python wrote them, with null for numbers that JSON has not", async () => {
  for (const { bytes, rows } of goldens.arrays) {
    assert.equal(await rowsOf(bytesOf(bytes)), rows.map((row, i) => [`row ${i + 1}`, row]));
  }
});

test("rows of any values are cut from lines and arrays in any layout, however the file is read", async () => {
  const values = fc.array(fc.jsonValue(), { minLength: 1, maxLength: 6 });
  const gap = fc.constantFrom("", "\n", "\r\n", " \n\t");
  await fc.assert(
    fc.asyncProperty(values, gap, fc.nat(2), fc.nat(80), async (values, gap, indent, before) => {
      const texts = values.map((value) => JSON.stringify(value, null, indent));
      const same = (rows: unknown[]) => assert.equal(JSON.stringify(rows), JSON.stringify(values));
      // A read ends among the rows.
      const padding = " ".repeat(2 ** 18 - before);
      same(await valuesOf(utf8(`${padding}[${texts.join(`,${gap}`)}]${gap}`)));
      // A file that begins with an array is one.
      if (!texts[0]!.startsWith("[")) same(await valuesOf(utf8(padding + texts.join(`${gap}\n`))));
    }),
    { numRuns: 30 },
  );
});

test("a row that is no JSON is told with its line; a string does not go on over the line's end", async () => {
  const state = "is not JSON, or cut short, wanted a JSON object a line, or an array of them";
  assert.is(await failure(rowsOf(utf8('{"a":1}\n\nid,prompt\n'))), `line 3 ${state}`);
  assert.is(await failure(rowsOf(utf8('{"a":1}\n{"a": "cut\n{"a":2}'))), `line 2 ${state}`);
  assert.is(await failure(rowsOf(utf8('[{"a":1},\n{"a":'))), `row 2 ${state}`);
  assert.is(await failure(rowsOf(utf8('{"a": NaNa}'))), `line 1 ${state}`);
  assert.is(await failure(rowsOf(utf8('[{"a":1}'))), "it is cut short, wanted an array of objects; fetch it again");
  assert.match(await failure(rowsOf(utf8("[1]\n[2]"))), /^line 2 goes on behind the array, /);
});

test("a row that is no UTF-8 gives an error for a value, and the rows behind it are read", async () => {
  const rows = await valuesOf(joined(utf8('{"a":"caf'), new Uint8Array([0xe9]), utf8('"}\n{"a":2}')));
  assert.instance(rows[0], RangeError);
  assert.is((rows[0] as Error).message, "byte 9 (0xe9) is no UTF-8; save it as UTF-8");
  assert.equal(rows[1], { a: 2 });
});

test("a file in UTF-16 is read, with a mark or without, and told where it is cut", async () => {
  const text = '{"a":"größer 😀"}\r\n{"a":2}';
  const units = new Uint8Array(Uint16Array.from({ length: text.length }, (_, i) => text.charCodeAt(i)).buffer);
  for (const bytes of [units, joined(new Uint8Array([0xff, 0xfe]), units)]) {
    assert.equal(await rowsOf(bytes), [["line 1", { a: "größer 😀" }], ["line 2", { a: 2 }]]);
    assert.is(await failure(rowsOf(bytes.slice(0, -1))), "its UTF-16 is damaged or cut short; save it as UTF-8");
  }
});

test.run();
