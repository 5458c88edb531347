import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { TOKEN_TYPES } from "../../src/checkpoint/token-types.ts";
import { shareTokens } from "../../src/tokenizer/shared-tokens.ts";
import { loadTokenizer, type Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import { BYTE_TOKENS, byteLevel, sentencePiece } from "./vocabularies.ts";

const { NORMAL, CONTROL, USER_DEFINED, UNUSED } = TOKEN_TYPES;

const bytes = (...added: [token: string, type: number][]) => loadTokenizer(byteLevel("gpt-2", [], added));
const pieces = (...tokens: string[]) =>
  loadTokenizer(sentencePiece(Object.fromEntries(tokens.map((token, i) => [token, -i]))));

/** By the verify model's token, the draft's that stands for it; those in brackets only stand in. */
function standIns(verify: Tokenizer, draft: Tokenizer): Record<string, string> {
  const { rows, lacking } = shareTokens(verify, draft)!;
  return Object.fromEntries(verify.tokenStrings.map((token, id) => {
    const string = draft.tokenStrings[rows[id]!]!;
    return [token, lacking.has(id) ? `(${string})` : string];
  }));
}

test("the same tokens under the same ids need nothing", () => {
  assert.is(shareTokens(bytes(["the", NORMAL]), bytes(["the", NORMAL])), null);
});

test("special tokens that were added or renamed are matched by text, then by place", () => {
  const draft = bytes(["<|end_of_text|>", CONTROL], ["<|reserved_0|>", CONTROL], ["<|eot_id|>", CONTROL]);
  const added = standIns(
    bytes(["<|end_of_text|>", CONTROL], ["<|reserved_0|>", CONTROL], ["<|eot_id|>", CONTROL], ["<|im_end|>", CONTROL]),
    draft,
  );
  assert.is(added["<|eot_id|>"], "<|eot_id|>");
  assert.is(added["<|im_end|>"], "(<|end_of_text|>)");
  const moved = standIns(
    bytes(["<tool>", USER_DEFINED], ["<|im_start|>", CONTROL], ["<|end_of_text|>", USER_DEFINED]),
    draft,
  );
  assert.equal(moved["<|end_of_text|>"], "<|end_of_text|>");
  assert.equal(moved["<|im_start|>"], "<|reserved_0|>", "at the same place");
  assert.equal(moved["<tool>"], "(<|end_of_text|>)", "what is at its place has its own name elsewhere");
  const padded = shareTokens(bytes(["the", NORMAL], ["[PAD257]", UNUSED], ["", UNUSED]), bytes(["the", NORMAL]))!;
  assert.equal([...padded.lacking], [257, 258]);
  assert.equal([padded.shared, padded.total], [257, 257], "padding is no text");
});

test("text is matched by its bytes, in vocabularies of both kinds, and a token stands for one at most", () => {
  const verify = bytes(["Ġthe", NORMAL], ["é", NORMAL], ["Ã©", NORMAL]);
  const draft = pieces("▁the", "é", "A");
  const names = standIns(verify, draft);
  assert.is(names["Ġthe"], "▁the");
  assert.is(names["Ã©"], "é");
  assert.is(names["A"], "A", "the normal token before the byte's");
  assert.is(names["B"], "<0x42>");
  const back = standIns(draft, verify);
  assert.is(back["▁the"], "Ġthe");
  assert.is(back["A"], "A");
  assert.is(back["<0x41>"], "(A)", "no two have a token");
  assert.is(back["<0x42>"], "B");
  assert.is(back["<0x0A>"], "Ċ");
});

test("the end of a text stands in for what the draft lacks", () => {
  const verify = bytes(["Ġspeculative", NORMAL], ["zz", NORMAL]);
  const draft = bytes(["ulative", NORMAL], ["ative", NORMAL]);
  const names = standIns(verify, draft);
  assert.is(names["Ġspeculative"], "(ulative)");
  assert.is(names["zz"], "(z)");
});

test("any permutation, subset or superset of a vocabulary finds its tokens", () => {
  const words = ["Ġthe", "Ġof", "ing", "er", "ĠThe", "Ã©", "<|a|>", "<|b|>", "<|c|>"];
  const entry = (token: string): [string, number] => [token, token.startsWith("<") ? CONTROL : NORMAL];
  const list = fc.shuffledSubarray(words);
  fc.assert(fc.property(list, list, (ofVerify, ofDraft) => {
    const [verify, draft] = [bytes(...ofVerify.map(entry)), bytes(...ofDraft.map(entry))];
    const found = shareTokens(verify, draft);
    if (!found) return assert.equal(ofVerify, ofDraft);
    const { rows, lacking, shared, total } = found;
    assert.is(rows.length, verify.vocabulary);
    const said = [...rows.keys()].filter((id) => !lacking.has(id));
    assert.is(new Set(said.map((id) => rows[id])).size, said.length, "one to one");
    verify.tokenStrings.forEach((token, id) => {
      const name = draft.tokenStrings[rows[id]!];
      if (draft.tokenStrings.includes(token)) assert.ok(name === token && !lacking.has(id));
      else if (!lacking.has(id)) assert.ok(token.startsWith("<") && name!.startsWith("<") && rows[id] === id);
    });
    const text = ofVerify.filter((word) => !word.startsWith("<"));
    assert.is(total, 256 + text.length);
    assert.is(shared, 256 + text.filter((word) => ofDraft.includes(word)).length);
  }));
});

test("SentencePiece's bytes find each other where all ids have moved", () => {
  const shifted = loadTokenizer(sentencePiece({ "[INST]": 0, "▁the": -1, A: -2 }));
  const names = standIns(shifted, pieces("A", "▁the"));
  for (const token of [...BYTE_TOKENS, "▁the", "A", "<s>", "</s>", "<unk>"]) assert.is(names[token], token);
});

test.run();
