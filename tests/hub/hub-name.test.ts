import { test } from "uvu";
import * as assert from "uvu/assert";
import { parseHubName } from "../../src/hub/hub-name.ts";

test("names are told from paths", () => {
  const main = { file: undefined, revision: "main" };
  assert.equal(parseHubName("a/b"), { repo: "a/b", ...main });
  assert.equal(parseHubName("a/b:Q4_K_M"), { repo: "a/b", file: "Q4_K_M", revision: "main" });
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
    "C:\\a\\b",
    "https://example.org/a/b",
    "https://huggingface.co/a",
    "https://huggingface.co/spaces/a/b",
    "https://huggingface.co/a/b/resolve/main/..%2f..%2fx",
    "file:///a/b",
  ];
  for (const path of paths) assert.is(parseHubName(path), null, path);
});

test("the addresses that pages and cards print are names", () => {
  const endpoint = "http://127.0.0.1:1/hf";
  for (
    const [text, name] of [
      ["hf.co/a/b", {}],
      ["huggingface.co/a/b", {}],
      ["https://huggingface.co/a/b/", {}],
      ["https://hf.co/a/b?library=x#files", {}],
      ["hf.co/a/b:q8_0", { file: "q8_0" }],
      ["hf.co/a/b:latest", { file: "latest" }],
      ["hf.co/a/b@v1", { revision: "v1" }],
      ["https://huggingface.co/a/b/tree/v1", { revision: "v1" }],
      ["https://huggingface.co/a/b/tree/main/Q4_K_M", { file: "Q4_K_M" }],
      ["https://huggingface.co/a/b/tree/refs%2Fpr%2F1", { revision: "refs/pr/1" }],
      ["https://huggingface.co/a/b/tree/refs/pr/1/x", { revision: "refs/pr/1", file: "x" }],
      ["https://huggingface.co/a/b/blob/main/x/c.gguf", { file: "x/c.gguf" }],
      ["https://huggingface.co/a/b/resolve/main/c%20d.gguf?download=true", { file: "c d.gguf" }],
      [`${endpoint}/a/b/resolve/main/c.gguf`, { file: "c.gguf" }],
      ["hf://a/b", {}],
      ["hf://a/b/c.gguf", { file: "c.gguf" }],
      ["hf://a/b@v1/x/c.gguf", { revision: "v1", file: "x/c.gguf" }],
      ["hf://datasets/a/b/c.jsonl", { type: "dataset", file: "c.jsonl" }],
      ["https://huggingface.co/datasets/a/b/viewer", { type: "dataset", file: "viewer" }],
    ] as const
  ) {
    assert.equal(parseHubName(text, endpoint), { repo: "a/b", file: undefined, revision: "main", ...name }, text);
  }
});

test.run();
