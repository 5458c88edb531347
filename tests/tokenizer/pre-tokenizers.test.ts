import { test } from "uvu";
import * as assert from "uvu/assert";
import { findFamily, publishedPattern } from "../../src/tokenizer/pre-tokenizers.ts";
import { StepBuilder } from "../../src/tokenizer/steps.ts";

const cut = (pre: string, text: string) => new StepBuilder().preTokenizer(findFamily(pre).steps)(text, true);

test("each family cuts as its pattern says", () => {
  const text = "I'LL don't pay  1234€!\n\n  x\u0085\ufeff";
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
  assert.equal(cut("tekken", "camelCase/\n12 ÜBERalles"), [..."camel|Case|/\n|1|2| ÜBERalles".split("|")]);
  assert.equal(cut("gpt-2", "a\u0085\u0085b"), ["a", "\u0085", "\u0085", "b"]);
  assert.equal(cut("default", "a$b=12345 ok?"), ["a", "$", "b", "=", "123", "45", " ok", "?"]);
});

test("each family takes a time that grows with the text, however long a run of one kind is", () => {
  const names = ["default", "gpt-2", "smollm", "llama-bpe", "qwen2", "qwen35", "tekken", "gpt-4o", "deepseek-llm"];
  names.push("deepseek-coder", "deepseek-v3", "seed-coder", "falcon", "bailingmoe", "minicpm5", "jais-2", "viking");
  // Quadratic time would be minutes.
  for (const pre of names) {
    for (const unit of [" ", "x", "\n", "!"]) {
      const text = unit.repeat(50_000) + "1";
      assert.is(cut(pre, text).reduce((sum, piece) => sum + piece.length, 0) >= text.length, true);
    }
  }
});

test("a pattern is a published one, or a stranger's, letter for letter", () => {
  assert.is(publishedPattern("\\s+$"), "(?<!\\s)\\s+$");
  assert.is(publishedPattern("[\r\n]"), "[\\r\\n]", "line ends may be written as they are");
  assert.is(publishedPattern("(a+)+$"), undefined);
});

test.run();
