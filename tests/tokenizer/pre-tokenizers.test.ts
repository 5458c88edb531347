import { test } from "uvu";
import * as assert from "uvu/assert";
import { findPreTokenizer, splitPieces } from "../../src/tokenizer/pre-tokenizers.ts";

test("splitPieces() cuts as each pre-tokenizer's pattern says", () => {
  const text = "I'LL don't pay  1234€!\n\n  x\u0085\ufeff";
  const cut = (pre: string, text: string) => splitPieces(text, findPreTokenizer(pre).patterns);
  assert.equal(cut("gpt-2", text), [
    ..."I|'|LL| don|'t| pay| | 1234|€!".split("|"),
    ...["\n\n ", " x", "\u0085", "\ufeff"],
  ]);
  assert.equal(cut("smollm", text), [
    ..."I|'|LL| don|'t| pay|  |1|2|3|4|€!".split("|"),
    ...["\n\n ", " x", "\u0085", "\ufeff"],
  ]);
  assert.equal(cut("llama-bpe", text), [
    ..."I|'LL| don|'t| pay| | |123|4|€!\n\n| | x".split("|"),
    ...["\u0085", "\ufeff"],
  ]);
  assert.equal(cut("gpt-2", "a\u0085\u0085b"), ["a", "\u0085", "\u0085", "b"]);
  assert.equal(cut("default", "a$b=12345 ok?"), ["a", "$", "b", "=", "123", "45", " ok", "?"]);
  for (const pre of ["default", "gpt-2", "smollm", "llama-bpe"]) assert.equal(cut(pre, ""), []);
});

test.run();
