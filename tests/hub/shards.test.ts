import { test } from "uvu";
import * as assert from "uvu/assert";
import { assertWhole, groupShards, shardsOf } from "../../src/hub/shards.ts";

test("parts are told by their names, from 0 or 1, with any digits", () => {
  for (
    const parts of [
      ["q/b-00001-of-00003.gguf", "q/b-00002-of-00003.gguf", "q/b-00003-of-00003.gguf"],
      ["t-00000-of-00002.parquet", "t-00001-of-00002.parquet"],
      ["t-00000-of-00002.jsonl.gz", "t-00001-of-00002.jsonl.gz"],
      ["t-1-of-2.json", "t-2-of-2.json"],
      ["m-00001-of-000002.x", "m-00002-of-000002.x"],
      ["00000-of-00001.jsonl"],
      ["t-00000-of-00002-b42a775f407cee45.parquet", "t-00001-of-00002-0123456789abcdef.parquet"],
      Array.from({ length: 11 }, (_, i) => `t-${i}-of-11.jsonl`),
    ]
  ) {
    assert.equal(groupShards(parts.toReversed()), [parts]);
    for (const part of parts) assert.equal(shardsOf(part, ["a.gguf", ...parts]), parts);
    assertWhole(parts);
  }
});

test("other files stay apart", () => {
  const others = ["a.gguf", "b.gguf", "t-0-of-1.json", "u-0-of-1.json", "x/t-0-of-1.json", "t-0-of-1.jsonl"];
  assert.equal(groupShards(others), others.map((path) => [path]));
  assertWhole(["a.gguf"]);
});

test("numbers alone make parts where none is missing", () => {
  const numbered = ["t/0000.parquet", "t/0001.parquet"];
  assert.equal(groupShards(numbered), numbered.map((path) => [path]));
  assert.equal(groupShards(numbered, { numbered: true }), [numbered]);
  assert.equal(groupShards(["t-1.jsonl", "u.jsonl", "t-2.jsonl"], { numbered: true }), [
    ["t-1.jsonl", "t-2.jsonl"],
    ["u.jsonl"],
  ]);
  assert.equal(groupShards(["v-1.jsonl", "v-3.jsonl"], { numbered: true }), [["v-1.jsonl"], ["v-3.jsonl"]]);
});

test("a missing part is told", () => {
  assert.throws(
    () => assertWhole(["b-1-of-3.gguf", "b-3-of-3.gguf"]),
    (error: Error) => error.message === 'of the 3 parts of "b-1-of-3.gguf" only 1, 3 are there',
  );
  assert.throws(() => assertWhole(["b-00002-of-00003.gguf", "b-00003-of-00003.gguf"]));
});

test.run();
