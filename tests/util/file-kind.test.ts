import { gzipSync } from "node:zlib";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { describeFile } from "../../src/util/file-kind.ts";

const bytes = (text: string) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
const POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 807694464\n";

for (
  const [what, head, message] of [
    ["a git-lfs pointer", bytes(POINTER), /^it is a git-lfs pointer to a file of 807694464 bytes; run "git lfs pull" /],
    [
      "one with CRLF",
      bytes(POINTER.replaceAll("\n", "\r\n")),
      /^it is a git-lfs pointer to a file of 807694464 bytes;/,
    ],
    ["a page", bytes("\r\n<!DOCTYPE html><html>"), /^it is a web page; download the file itself/],
    ["a page with BOM", bytes("\xef\xbb\xbf<html lang=en>"), /^it is a web page;/],
    ["XML of a store", bytes('<?xml version="1.0"?><Error>'), /^it is a web page;/],
    ["a zip", bytes("PK\x03\x04\x14\0"), /^it is a zip archive; unpack it first$/],
    [
      "a checkpoint of torch.save",
      bytes("PK\x03\x04\0\0\x08\x08archive/data.pkl"),
      /^it is a PyTorch checkpoint; get the/,
    ],
    ["an older one", bytes("\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."), /^it is a Python pickle \(an old PyTorch/],
    ["gzip", new Uint8Array(gzipSync("x")), /^it is packed by gzip; unpack it first \(gunzip\)$/],
    ["zstd", bytes("(\xb5/\xfd\0"), /^it is packed by zstd;/],
    ["xz", bytes("\xfd7zXZ\0"), /^it is packed by xz;/],
    ["tar", bytes("model.gguf".padEnd(257, "\0") + "ustar\0"), /^it is a tar archive;/],
    ["GGJT", bytes("tjgg\x03\0\0\0"), /^it is in the GGML format that GGUF replaced in 2023; get the model as GGUF$/],
    ["safetensors", bytes('\x50\x01\0\0\0\0\0\0{"__metadata__"'), /^it is a safetensors file; give the folder /],
    ["GGUF", bytes("GGUF\x03"), /^it is a GGUF file;/],
    ["zeros", new Uint8Array(100), /^it begins with zeros, as a download that isn't finished does; download it again$/],
    [
      "a refusal",
      bytes("Entry not found"),
      /^it is a server's refusal \("Entry not found"\); download the file again$/,
    ],
    ["another", bytes("Access to model a/b is restricted.\nMore"), /^it is a server's refusal \("Access to model a\/b/],
  ] as [string, Uint8Array, RegExp][]
) {
  test(`${what} is told`, () => {
    const told = describeFile(head);
    assert.match(told ?? "nothing", message);
    assert.not.match(told!, "\n");
  });
}

test("of other bytes, and of JSON, nothing is said", () => {
  for (const head of ["", "hello, world", "\x01\x02\x03\x04", '{"a": 1}', " [1]", "\xff\xfe\xfd"]) {
    assert.is(describeFile(bytes(head)), null);
  }
});

test.run();
