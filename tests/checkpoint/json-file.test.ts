import { test } from "uvu";
import * as assert from "uvu/assert";
import { JsonFile, shown } from "../../src/checkpoint/json-file.ts";
import { assertRefused } from "../llama/refused.ts";
import { sourceOf } from "./memory-source.ts";

const read = (text: string, maxBytes = 100) => {
  const bytes = new TextEncoder().encode(text);
  return JsonFile.read(sourceOf(bytes, bytes.length), maxBytes);
};

test("getters give the value, the fallback for a missing one and null, or an error with file and key", async () => {
  const file = await read('{"n": 2, "half": 0.5, "yes": true, "o": {"in": 1}, "list": [{"in": 2}], "none": null}');
  assert.equal([file.number("n"), file.count("n"), file.number("half"), file.boolean("yes", false)], [2, 2, 0.5, true]);
  assert.equal([file.number("none", 3), file.count("gone", 3), file.boolean("none", true)], [3, 3, true]);
  assert.equal([file.object("o")!.number("in"), file.object("none"), file.object("gone")], [1, undefined, undefined]);
  assert.equal(file.objects("list").map((one) => one.number("in")), [2]);
  assert.equal(file.objects("gone"), []);
  for (
    const [get, message] of [
      [() => file.number("gone"), '"gone" is missing, wanted a number'],
      [() => file.number("yes"), '"yes" is "true", wanted a number'],
      [() => file.count("half"), '"half" is "0.5", wanted a whole number of 1 or more'],
      [() => file.count("gone", 0), '"gone" is missing, wanted a whole number of 1 or more'],
      [() => file.boolean("n", true), '"n" is "2", wanted true or false'],
      [() => file.object("list"), '"list" is an array of 1, wanted an object'],
      [() => file.objects("o"), '"o" is an object, wanted an array of objects'],
      [() => file.object("o")!.number("x"), '"x" is missing, wanted a number'],
    ] as const
  ) {
    const whole = new RegExp(`^Cannot read model "memory": ${message}; get or convert the model anew$`);
    await assertRefused(async () => get(), whole);
  }
});

test("a file that is too long, or holds no JSON object, is refused", async () => {
  assert.equal((await read("{}", 2)).values, {});
  await assertRefused(() => read("{}", 1), /"memory": it has 2 bytes, wanted 1 at most; the file is damaged/);
  await assertRefused(() => read("{"), /"memory": it is no JSON; the file is damaged, download it again$/);
  for (const text of ["[]", "null", "1"]) await assertRefused(() => read(text), /it is no JSON object; the file is/);
});

test("JSON is refused before it is parsed where it is too deep or has too many values", async () => {
  const nested = (depth: number) => `{"a": ${"[".repeat(depth - 1)}${"]".repeat(depth - 1)}}`;
  assert.ok(await read(nested(100), 300));
  await assertRefused(
    () => read(nested(101), 300),
    /"memory": its JSON is nested 101 deep, wanted 100 at most; the file/,
  );
  await assertRefused(() => read(nested(1_000_000), 3_000_000), /nested 1000000 deep/);
  const limited = (text: string, lists: number, values: number) => {
    const bytes = new TextEncoder().encode(text);
    return JsonFile.read(sourceOf(bytes, bytes.length), 100, { lists, values });
  };
  const file = await limited('{"a,[": [1, 2, "\\"[,,"], "b": {}}', 3, 6);
  assert.equal(file.values, { "a,[": [1, 2, '"[,,'], b: {} });
  await assertRefused(() => limited('{"a": [1, 2], "b": {}}', 2, 9), /it has 3 arrays and objects, wanted 2 at most/);
  await assertRefused(() => limited('{"a": [1, 2], "b": {}}', 9, 4), /it has 5 values, wanted 4 at most/);
});

test("what is no JSON at all is told", async () => {
  const pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 9085657\n";
  await assertRefused(
    () => read(pointer),
    /"memory": it is a git-lfs pointer to a file of 9085657 bytes; run "git lfs/,
  );
  await assertRefused(() => read("<!doctype html>"), /"memory": it is a web page; /);
});

test("values in errors are short and on one line", () => {
  assert.equal([undefined, [1, 2], {}, null].map(shown), ["missing", "an array of 2", "an object", '"null"']);
  assert.is(shown("a\n".repeat(100)).includes("\n"), false);
  assert.ok(shown("a".repeat(1000)).length < 100);
});

test.run();
