import { test } from "uvu";
import * as assert from "uvu/assert";
import fc from "fast-check";
import { TOKEN_TYPES } from "../../src/checkpoint/token-types.ts";
import { loadTokenizer } from "../../src/tokenizer/tokenizer.ts";
import { decode, metadataOf, parsed, pieces, raw, sentencePiece, textWith } from "./vocabularies.ts";

const { NORMAL, UNKNOWN } = TOKEN_TYPES;

test("decode(encode(text)) is the text with a SentencePiece vocabulary, after its space in front", () => {
  for (const add_space_prefix of [true, false]) {
    const scores = { "▁": -9, a: -8, b: -7, "▁a": -1, ab: -2, "▁▁": -3 };
    const tokenizer = loadTokenizer(sentencePiece(scores, { add_space_prefix }));
    fc.assert(fc.property(textWith(" ab"), (text) => {
      fc.pre(!text.includes("▁"));
      assert.is(decode(tokenizer, tokenizer.encode(text, raw)), (add_space_prefix && text !== "" ? " " : "") + text);
    }));
  }
});

test("SentencePiece joins the pair of the highest score first, and its leftmost place first", () => {
  const tokenizer = loadTokenizer(
    sentencePiece({ "▁": -20, a: -20, b: -20, c: -20, ab: -2, bc: -1, abc: -9, aa: -5, "▁a": -6, "▁abc": -7 }),
  );
  assert.equal(pieces(tokenizer, "abc"), ["▁abc"], "a bc, then ▁a comes too early to reach ▁abc: -6 before -9");
  assert.equal(pieces(tokenizer, "aaa"), ["▁", "aa", "a"]);
});

test("SentencePiece writes a character without a token as its bytes, or as <unk> where there are none", () => {
  const tokenizer = loadTokenizer(sentencePiece({ "▁": -1, a: -2 }));
  assert.equal(pieces(tokenizer, "a\né"), ["▁", "a", "<0x0A>", "<0xC3>", "<0xA9>"]);
  const withoutBytes = metadataOf({
    model: "llama",
    tokens: ["<unk>", "▁", "a"],
    token_type: [UNKNOWN, NORMAL, NORMAL],
    scores: [0, -1, -2],
    unknown_token_id: 0,
    add_bos_token: false,
  });
  assert.equal(loadTokenizer(withoutBytes).encode("ab", raw), [1, 2, 0]);
});

test("SentencePiece puts a space in front of each run of text, and BOS in front of all", () => {
  const tokenizer = loadTokenizer(sentencePiece({ "▁": -1, a: -2, "▁a": 0 }));
  assert.equal(pieces(tokenizer, "a</s>a", parsed), ["▁a", "</s>", "▁a"]);
  assert.equal(tokenizer.encode("", { special: true }), [1]);
  assert.is(tokenizer.addBos, true);
  const neither = { add_space_prefix: false, add_bos_token: false };
  const without = loadTokenizer(sentencePiece({ "▁": -1, a: -2, "▁a": 0 }, neither));
  assert.equal(without.encode("a", { special: true }), [260]);
});

test.run();
