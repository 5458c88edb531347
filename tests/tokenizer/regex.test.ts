import { test } from "uvu";
import * as assert from "uvu/assert";
import fc from "fast-check";
import { boundedMatches, nativeMatches, StepBudget } from "../../src/tokenizer/regex.ts";

const texts = (find: (text: string) => Iterable<readonly [number, number]>, text: string) =>
  Array.from(find(text), ([begin, end]) => text.slice(begin, end));

// What Oniguruma 6.9 finds, by `pre_tokenizers.Split(Regex(pattern), "removed", invert=True)` of tokenizers 0.23.3.
const ONIGURUMA: readonly [pattern: string, text: string, matches: string[]][] = [
  ["(?i:'s)", "a'ſb'S", ["'ſ", "'S"]],
  ["a{1,2}+", "aaaaa", ["aaaaa"]],
  ["a++b|a?+a", "aab", ["aab"]],
  ["^a|b$", "a\nab\nb", ["a", "a", "b", "b"]],
  ["\\h+", "af g", ["af"]],
  ["\\w+", "aé_١²\u200d", ["aé_١²"]],
  ["[[:alpha:]]+", "ab1é", ["ab", "é"]],
  ["[a-z&&[^b]]+", "abc", ["a", "c"]],
  ["\\R", "a\r\nb\n", ["\r\n", "\n"]],
  ["(?m:.)+", "a\nb", ["a\nb"]],
  ["[]a]", "]a", ["]", "a"]],
  ["(a*)*b|(?:x?)*y", "aabxy", ["aab", "xy"]],
  ["(?<=a)b|(?<!a)c", "abcac", ["b", "c"]],
  ["(?>a|ab)c", "abc", []],
  ["\\x{61}|\\u0062", "ab", ["a", "b"]],
  ["{", "a{b", ["{"]],
  ["a|(?i)b|c", "aBC", ["a", "B", "C"]],
];

test("both engines find what Oniguruma does", () => {
  for (const [pattern, text, matches] of ONIGURUMA) {
    assert.equal(texts(nativeMatches(pattern), text), matches, pattern);
    assert.equal(texts(boundedMatches(pattern, new StepBudget()), text), matches, pattern);
  }
});

// What a loop repeats here is never empty: JavaScript goes on behind an empty iteration, Oniguruma leaves the loop.
test("both engines find the same", () => {
  const letter = fc.constantFrom("a", "b", "[ab]", "[^a]", ".", "\\s", "\\p{L}");
  const pattern = fc.letrec((tie) => ({
    one: fc.oneof(
      { depthSize: "small" },
      letter,
      fc.tuple(tie("one"), fc.constantFrom("*", "+", "?", "{1,2}", "?+")).map(([one, sign]) => `(?:${one}b)${sign}`),
      fc.tuple(tie("one"), tie("one")).map(([a, b]) => `${a}${b}`),
      fc.tuple(tie("one"), tie("one")).map(([a, b]) => `(?:${a}|${b})`),
    ),
  })).one as fc.Arbitrary<string>;
  fc.assert(
    fc.property(
      pattern,
      fc.string({ unit: fc.constantFrom("a", "b", " ", "\n", "🙂"), maxLength: 8 }),
      (pattern, text) => {
        const [native, bounded] = [nativeMatches(pattern), boundedMatches(pattern, new StepBudget())]
          .map((find) => texts(find, text).filter((match) => match !== ""));
        assert.equal(bounded, native, JSON.stringify([pattern, text]));
      },
    ),
    { numRuns: 300 },
  );
});

test("a stranger's pattern that takes too long is an error, as is one that is too large or none", () => {
  const budget = new StepBudget();
  for (const pattern of ["(a+)+$", "(?:a|a)*b", "(?:a?){500}b", "a*a*a*a*a*b"]) {
    const message = /^Error: Cannot encode the text: the tokenizer's patterns take too long; use a GGUF of the model$/;
    assert.throws(
      () => texts(boundedMatches(pattern, budget), "a".repeat(5000) + "!"),
      (error: unknown) => message.test(`${error}`),
    );
  }
  const refused = (pattern: string, message: RegExp) =>
    assert.throws(
      () => boundedMatches(pattern, new StepBudget()),
      (error: unknown) => message.test(`${error}`),
      pattern,
    );
  refused("(a{1000}){1000}", /the tokenizer's pattern: it repeats too much; use a GGUF/);
  refused("(".repeat(60), /it is nested more than 50 deep/);
  refused("a".repeat(30_000), /it has 30000 letters, wanted 20000 at most/);
  for (
    const pattern of [
      "(",
      ")",
      "[a",
      "a**)",
      "*",
      "\\",
      "\\p{Nope}",
      "(a)\\1",
      "(?z:a)",
      "[b-a]",
      "\\x{110000}",
      "(?<=a*)b",
    ]
  ) {
    refused(pattern, /^Error: Cannot read the tokenizer's pattern ".*": .*; use a GGUF of the model$/);
  }
});

test("a long text and a budget that is used again and again are no reason for an error", () => {
  const budget = new StepBudget();
  const find = boundedMatches("[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\s+(?!\\S)|\\s+|.", budget);
  for (let i = 0; i < 30; i++) {
    const text = "some words,  and more ".repeat(1000);
    budget.allow(text.length);
    assert.is(texts(find, text).join(""), text);
  }
});

test.run();
