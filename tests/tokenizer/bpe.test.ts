import { test } from "uvu";
import * as assert from "uvu/assert";
import fc from "fast-check";
import { mergeSymbols } from "../../src/tokenizer/bpe.ts";
import { TOKEN_TYPES } from "../../src/checkpoint/token-types.ts";
import { loadTokenizer } from "../../src/tokenizer/tokenizer.ts";
import { byteLevel, decode, pieces } from "./vocabularies.ts";

const { NORMAL } = TOKEN_TYPES;

test("mergeSymbols() joins as a plain search for the lowest rank does", () => {
  const plainSearch = (text: string, rank: (left: string, right: string) => number | undefined) => {
    const symbols = Array.from(text);
    for (;;) {
      let best = -1;
      let lowest = Infinity;
      for (let i = 0; i + 1 < symbols.length; i++) {
        const found = rank(symbols[i]!, symbols[i + 1]!) ?? Infinity;
        if (found < lowest) [best, lowest] = [i, found];
      }
      if (best < 0) return symbols;
      symbols.splice(best, 2, symbols[best]! + symbols[best + 1]!);
    }
  };
  const merged = fc.string({ unit: fc.constantFrom(..."ab🙂"), minLength: 2, maxLength: 5 });
  const merges = fc.dictionary(merged, fc.nat(4), { maxKeys: 30 });
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(..."ab🙂"), maxLength: 40 }), merges, (text, ranks) => {
      const rank = (left: string, right: string) => ranks[left + right];
      assert.equal(mergeSymbols(text, rank), plainSearch(text, rank));
    }),
    { numRuns: 1000 },
  );
});

test("mergeSymbols() looks at a number of pairs that grows with the text, not with its square", () => {
  const count = (length: number) => {
    let calls = 0;
    mergeSymbols("a".repeat(length), (left, right) => (calls++, left.length + right.length <= 16 ? 1 : undefined));
    return calls;
  };
  const [short, long] = [count(20_000), count(40_000)];
  assert.ok(long <= 2.1 * short, `${short} pairs of 20 000 letters, ${long} of 40 000`);
});

test("byte-level BPE takes the first merge first, and its leftmost place first", () => {
  const tokenizer = loadTokenizer(byteLevel("gpt-2", ["b c", "a b", "a a", "aa a"]));
  assert.equal(pieces(tokenizer, "abc"), ["a", "bc"]);
  assert.equal(pieces(tokenizer, "aaaaa"), ["aa", "aaa"]);
  assert.equal(pieces(tokenizer, "ab abc"), ["ab", "Ġ", "a", "bc"]);
  const twice = byteLevel("gpt-2", ["a b", "b c"]);
  twice.set("tokenizer.ggml.merges", ["a b", "b c", "a b"]);
  assert.equal(pieces(loadTokenizer(twice), "abc"), ["ab", "c"], "of two equal merges the first counts");
});

test("llama-bpe takes a whole piece that is a token before any merge", () => {
  const vocabulary = (pre: string) => loadTokenizer(byteLevel(pre, ["b c", "a b"], [["abc", NORMAL]]));
  assert.equal(pieces(vocabulary("llama-bpe"), "abc abc"), ["abc", "Ġ", "a", "bc"]);
  assert.equal(pieces(vocabulary("smaug-bpe"), "abc"), ["a", "bc"]);
});

test("tokenBytes() of a byte-level token that is not written in the bytes' letters is its text", () => {
  assert.is(decode(loadTokenizer(byteLevel("gpt-2", [], [["日", NORMAL]])), [256]), "日");
});

test.run();
