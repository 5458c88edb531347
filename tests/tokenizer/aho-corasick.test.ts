import { test } from "uvu";
import * as assert from "uvu/assert";
import fc from "fast-check";
import { AhoCorasick } from "../../src/tokenizer/aho-corasick.ts";

test("longest() finds what a look at each word in each place does", () => {
  const some = fc.string({ unit: fc.constantFrom("a", "b", "é", "日", "🙂"), maxLength: 7 });
  fc.assert(fc.property(fc.array(some, { maxLength: 30 }), fc.array(some, { maxLength: 10 }), (words, texts) => {
    const text = texts.join("");
    const wanted = Array.from({ length: text.length }, (_, at) => {
      const here = words.filter((word) => word !== "" && text.startsWith(word, at));
      return words.indexOf(here.toSorted((a, b) => b.length - a.length)[0] ?? "none");
    });
    assert.equal([...new AhoCorasick(words).longest(text)], wanted);
  }));
});

test("longest() takes one step a character where words are long and alike", () => {
  // Of each place a search by the words would go 4000 letters far, 2 thousand million in all.
  const words = Array.from({ length: 400 }, (_, i) => "a".repeat(4000 - i) + "b");
  const found = new AhoCorasick([...words, "a"]).longest("a".repeat(500_000) + "b");
  assert.equal([...found.slice(-4002)], [400, ...words.keys(), ...Array(3600).fill(400), -1]);
});

test.run();
