import { test } from "uvu";
import * as assert from "uvu/assert";
import { firstParts, parseHubName, partsOf } from "../../src/hub/hub-name.ts";

test("names are told from paths", () => {
  const main = { file: undefined, revision: "main" };
  assert.equal(parseHubName("a/b"), { repo: "a/b", ...main });
  assert.equal(parseHubName("a/b.c-GGUF:sub/d.gguf@refs/pr/1"), {
    repo: "a/b.c-GGUF",
    file: "sub/d.gguf",
    revision: "refs/pr/1",
  });
  assert.equal(parseHubName("a/b@v1"), { repo: "a/b", file: undefined, revision: "v1" });
  const paths = [
    "a",
    "a/b/c",
    "./a",
    "../a",
    "/a/b",
    "a/b.gguf",
    "a/b.jsonl.gz",
    "a/b@../x",
    "a/b:../../x",
    "a/b:",
    "a\\b",
  ];
  for (const path of paths) assert.is(parseHubName(path), null, path);
});

test("the parts of a file count from 1, of parquet from 0", () => {
  const gguf = ["q/b-00001-of-00003.gguf", "q/b-00002-of-00003.gguf", "q/b-00003-of-00003.gguf"];
  for (const part of gguf) assert.equal(partsOf(part), gguf);
  assert.equal(partsOf("t-00001-of-00002.parquet"), ["t-00000-of-00002.parquet", "t-00001-of-00002.parquet"]);
  for (const whole of ["a.gguf", "a-1-of-2.gguf", "a-00001-of-00002"]) assert.equal(partsOf(whole), [whole]);
  assert.equal(firstParts(["a.gguf", ...gguf.toReversed(), "t-00001-of-00002.parquet"]), ["a.gguf", gguf[0]]);
});

test.run();
