import { test } from "uvu";
import * as assert from "uvu/assert";
import { checkpointOf, type MetadataValue } from "../../src/checkpoint/checkpoint.ts";
import { assertRefused } from "../llama/refused.ts";

test("getters give the value, the fallback, or an error that names the key", async () => {
  const metadata = new Map<string, MetadataValue>([["text", "x\ny"], ["seven", 7], ["list", Uint8Array.of(7)]]);
  const checkpoint = checkpointOf("test.gguf", metadata, new Map(), () => Promise.resolve());
  assert.is(checkpoint.string("text"), "x\ny");
  assert.is(checkpoint.number("seven"), 7);
  assert.is(checkpoint.string("other", "fallback"), "fallback");
  assert.is(checkpoint.number("other", 0), 0);
  for (
    const [get, message] of [
      [
        () => checkpoint.number("other"),
        /^Cannot read model "test.gguf": "other" is missing, wanted a number; get or convert/,
      ],
      [() => checkpoint.string("seven"), /"seven" is "7", wanted a string/],
      [() => checkpoint.number("text", 1), /"text" is "x\\ny", wanted a number/],
      [() => checkpoint.number("list"), /"list" is an array, wanted a number/],
    ] as const
  ) await assertRefused(async () => get(), message);
});

test.run();
