import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import fc from "fast-check";
import { openFile } from "../../src/platform/platform-file.ts";
import { mergeSymbols } from "../../src/tokenizer/bpe.ts";
import { openGguf } from "../../src/checkpoint/gguf.ts";
import { findPreTokenizer, splitPieces } from "../../src/tokenizer/pre-tokenizers.ts";
import { assertSameVocabulary, loadTokenizer, type Tokenizer } from "../../src/tokenizer/tokenizer.ts";

const root = new URL("../../", import.meta.url);
const draftFile = await openGguf(await openFile(fileURLToPath(new URL("models/smollm2-draft-42m-q8_0.gguf", root))));
const smollm = loadTokenizer(draftFile.metadata);
await draftFile.close();
const readGolden = async (name: string) => JSON.parse(await Deno.readTextFile(new URL(`tests/goldens/${name}`, root)));

const NORMAL = 1;
const UNKNOWN = 2;
const CONTROL = 3;
const USER_DEFINED = 4;
const BYTE = 6;

const metadataOf = (values: Record<string, unknown>) =>
  new Map(Object.entries(values).map(([key, value]) => [`tokenizer.ggml.${key}`, value]));

/** The bytes' letters in GPT-2's vocabulary: "Ġ" is 32, "Ċ" is 10. */
const isPrintable = (byte: number) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
const BYTES = Array.from({ length: 256 }, (_, byte) => byte);
const UNPRINTABLE = BYTES.filter((byte) => !isPrintable(byte));
const LETTERS = BYTES.map((byte) => String.fromCharCode(isPrintable(byte) ? byte : 256 + UNPRINTABLE.indexOf(byte)));

function byteLevel(pre: string, merges: string[], added: [token: string, type: number][] = []): Map<string, unknown> {
  const merged = merges.map((merge) => merge.replace(" ", ""));
  return metadataOf({
    model: "gpt2",
    pre,
    tokens: [...LETTERS, ...merged, ...added.map(([token]) => token)],
    token_type: [...LETTERS.map(() => NORMAL), ...merged.map(() => NORMAL), ...added.map(([, type]) => type)],
    merges,
  });
}

const BYTE_TOKENS = BYTES.map((byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);

/** A Llama-2-like vocabulary: <unk>, <s>, </s>, the bytes, then `pieces` with their scores, from id 259 on. */
function sentencePiece(pieces: Record<string, number>, more: Record<string, unknown> = {}): Map<string, unknown> {
  const added = Object.keys(pieces);
  const types = [UNKNOWN, CONTROL, CONTROL, ...BYTE_TOKENS.map(() => BYTE), ...added.map(() => NORMAL)];
  return metadataOf({
    model: "llama",
    tokens: ["<unk>", "<s>", "</s>", ...BYTE_TOKENS, ...added],
    token_type: Int32Array.from(types),
    scores: Float32Array.from([0, 0, 0, ...BYTE_TOKENS.map(() => 0), ...Object.values(pieces)]),
    bos_token_id: 1,
    eos_token_id: 2,
    unknown_token_id: 0,
    ...more,
  });
}

const raw = { special: false, addBos: false };
const parsed = { special: true, addBos: false };
/** The tokens' texts as the file writes them: easier to read than ids. */
const pieces = (tokenizer: Tokenizer, text: string, options = raw) =>
  tokenizer.encode(text, options).map((id) => tokenizer.tokenStrings[id]);
const decode = (tokenizer: Tokenizer, ids: readonly number[], special = false) =>
  new TextDecoder("utf-8", { ignoreBOM: true }).decode(
    Uint8Array.from(ids.flatMap((id) => [...tokenizer.tokenBytes(id, { special })])),
  );

test("loadTokenizer() of the embedded model gives the ids on which Hugging Face and llama.cpp agree", async () => {
  const { cases } = await readGolden("tokenizer.json") as { cases: { text: string; ids: number[] }[] };
  assert.ok(cases.length > 30);
  for (const { text, ids } of cases) {
    assert.equal(smollm.encode(text, parsed), ids, JSON.stringify(text));
    assert.is(decode(smollm, ids, true), text.replace(/[\x04\x06\x13\x14\x16\x1d]/g, ""));
  }
});

test("loadTokenizer() of the embedded model reads and writes the oracle's texts", async () => {
  type Case = { kind: string; prompt: string; promptTokens: number[]; tokens: number[]; text: string };
  const cases: Case[] = [...await readGolden("verify.json"), ...await readGolden("draft.json")];
  let cutOtherwise = 0;
  for (const { kind, prompt, promptTokens, tokens, text } of cases) {
    assert.is(decode(smollm, tokens, true), text);
    if (kind !== "raw") continue;
    assert.is(decode(smollm, promptTokens), prompt);
    const ids = smollm.encode(prompt, { special: true });
    // The oracle's tokenizer did not set digits apart before all else, as "smollm" says and llama.cpp does: it cut
    // the last of several spaces before a digit off.
    if (/\s\s\d/.test(prompt)) cutOtherwise += Number(ids.length + 1 === promptTokens.length);
    else assert.equal(ids, promptTokens);
  }
  assert.is(cutOtherwise, 3);
});

test("the embedded model's special ids follow its metadata and its token texts", () => {
  assert.is(smollm.vocabulary, 49152);
  assert.is(smollm.bosId, 1);
  assert.is(smollm.addBos, false);
  assert.equal([...smollm.eosIds].sort(), [0, 2]);
  assert.equal(smollm.encode("a", { special: true, addBos: true }), [1, ...smollm.encode("a", parsed)]);
});

test("decode(encode(text)) is the text, for any text in bytes that the embedded vocabulary has", () => {
  const bytes = new Set(smollm.tokenStrings.flatMap((_, id) => [...smollm.tokenBytes(id)]));
  const known = (text: string) => new TextEncoder().encode(text).every((byte) => bytes.has(byte));
  const text = fc.string({ unit: "binary", maxLength: 40 }).map((s) => Array.from(s).filter(known).join(""));
  const words = fc.array(fc.constantFrom("the", " the", "  ", "\n", "'s", "12", "日本", "🙂", "e\u0301", "<|im_end|>"));
  fc.assert(fc.property(fc.oneof(text, words.map((list) => list.join(""))), fc.boolean(), (text, special) => {
    assert.is(decode(smollm, smollm.encode(text, { special, addBos: false }), special), text);
  }));
  assert.equal(smollm.encode("\x04", raw), [], "a byte without a token is dropped");
});

/** Any Unicode text, with more of some characters. */
const textWith = (characters: string) =>
  fc.string({ unit: fc.oneof(fc.constantFrom(...characters), fc.string({ unit: "binary" })) });

test("decode(encode(text)) is the text with a vocabulary of all bytes, under each pre-tokenizer", () => {
  for (const pre of ["default", "gpt-2", "smollm", "llama-bpe", "smaug-bpe"]) {
    const tokenizer = loadTokenizer(byteLevel(pre, ["a b", "Ġ ab", "Ġ Ġ", "Ċ Ċ", "1 2"]));
    fc.assert(fc.property(textWith(" ab12\n'.s"), (text) => {
      assert.is(decode(tokenizer, tokenizer.encode(text, raw)), text);
    }));
    assert.is(decode(tokenizer, tokenizer.encode("a\ud800b", raw)), "a\ufffdb");
  }
});

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

test("control tokens come from text only where special is asked for, user-defined tokens always", () => {
  const tokenizer = loadTokenizer(
    byteLevel("llama-bpe", ["< |", "a b"], [["<|a|>", CONTROL], ["<|a|>b", CONTROL], ["<tool>", USER_DEFINED]]),
  );
  assert.equal(pieces(tokenizer, "x<|a|>bc<|a|><tool>", parsed), ["x", "<|a|>b", "c", "<|a|>", "<tool>"]);
  assert.equal(pieces(tokenizer, "<|a|><tool>"), ["<|", "a", "|", ">", "<tool>"]);
  const [control, , tool] = [..."012"].map((at) => 258 + Number(at));
  assert.is(decode(tokenizer, [control!, tool!]), "<tool>");
  assert.is(decode(tokenizer, [control!, tool!], true), "<|a|><tool>");
  // Even where the merges would lead there.
  const spm = loadTokenizer(sentencePiece({ "▁": -1, "<": -1, "/": -1, s: -1, ">": -1, "</": 0, "s>": 0 }));
  assert.equal(pieces(spm, "</s>"), ["▁", "</", "s>"]);
});

test("eosIds has what the metadata names and the tokens that are known to end a text", () => {
  const named = byteLevel("llama-bpe", [], [["<|eot_id|>", NORMAL], ["<|stop|>", CONTROL], ["<|im_end|>", CONTROL]]);
  named.set("tokenizer.ggml.eos_token_id", 257);
  const tokenizer = loadTokenizer(named);
  assert.equal([...tokenizer.eosIds].sort(), [256, 257, 258]);
  assert.equal(tokenizer.tokenBytes(256), new Uint8Array(), "an end token has no text, whatever its type");
  assert.throws(
    () => tokenizer.encode("a", { special: true }),
    /^Cannot begin with BOS: "tokenizer.ggml.bos_token_id" is missing/,
  );
});

test("loadTokenizer() refuses metadata that lack a key or have a wrong one, in one line that names it", () => {
  const good = { ...Object.fromEntries(byteLevel("gpt-2", ["a b"])), "tokenizer.ggml.bos_token_id": 0 };
  const spm = Object.fromEntries(sentencePiece({ a: 0 }));
  const message = (metadata: Record<string, unknown>, key: string, value: unknown) => {
    const map = new Map(Object.entries(metadata));
    loadTokenizer(map);
    if (value === undefined) map.delete(`tokenizer.ggml.${key}`);
    else map.set(`tokenizer.ggml.${key}`, value);
    try {
      loadTokenizer(map);
    } catch (error) {
      assert.instance(error, Error);
      assert.not.match((error as Error).message, "\n");
      return (error as Error).message;
    }
    return `${key} = ${value} was taken`;
  };
  const remedy = "; get or convert the model anew";
  const start = 'Cannot load the tokenizer: "tokenizer.ggml.';
  assert.is(message(good, "model", undefined), `${start}model" is missing, wanted a string${remedy}`);
  assert.is(message(good, "model", 7), `${start}model" is "7", wanted a string${remedy}`);
  assert.match(message(good, "model", "bert"), 'its kind is "bert"; use a model with one of "gpt2", "llama"');
  assert.is(message(good, "pre", undefined), `${start}pre" is missing, wanted a string${remedy}`);
  assert.match(message(good, "pre", "qwen9"), /^Cannot load the pre-tokenizer "qwen9": .*gpt-2.*smollm.*llama-bpe/);
  assert.is(message(good, "tokens", undefined), `${start}tokens" is missing, wanted an array of strings${remedy}`);
  assert.is(message(good, "tokens", ["a", 1]), `${start}tokens" is an array of 2, wanted an array of strings${remedy}`);
  assert.is(message(good, "merges", undefined), `${start}merges" is missing, wanted an array of strings${remedy}`);
  const ofTypes = `${start}token_type" is an array of 1, wanted an array of 257 numbers${remedy}`;
  assert.is(message(good, "token_type", [1]), ofTypes);
  assert.is(message(good, "bos_token_id", 257), `${start}bos_token_id" is "257", wanted a token id below 257${remedy}`);
  assert.is(message(good, "eos_token_id", -1), `${start}eos_token_id" is "-1", wanted a token id below 257${remedy}`);
  assert.is(message(good, "add_bos_token", "yes"), `${start}add_bos_token" is "yes", wanted true or false${remedy}`);
  assert.is(message(spm, "scores", undefined), `${start}scores" is missing, wanted an array of 260 numbers${remedy}`);
});

test("tokenBytes() of a byte-level token that is not written in the bytes' letters is its text", () => {
  assert.is(decode(loadTokenizer(byteLevel("gpt-2", [], [["日", NORMAL]])), [256]), "日");
});

test("tokenBytes() refuses an id that is no token", () => {
  const wanted = /^RangeError: Cannot decode token 49152: the vocabulary has 49152 tokens$/;
  assert.throws(() => smollm.tokenBytes(49152), (error: unknown) => wanted.test(String(error)));
  assert.is(smollm.tokenBytes(49151).length, "ectable".length);
});

test("assertSameVocabulary() allows padding at one end and nothing else", () => {
  const vocabulary = (...tokens: string[]) =>
    loadTokenizer(byteLevel("gpt-2", [], tokens.map((token) => [token, NORMAL])));
  assertSameVocabulary(smollm, smollm);
  assertSameVocabulary(
    vocabulary("the"),
    vocabulary("the", "[PAD257]", "", "<|reserved_special_token_3|>", "<unused9>"),
  );
  assertSameVocabulary(vocabulary("the", "[PAD]"), vocabulary("the"));
  const message = (verify: Tokenizer, draft: Tokenizer) => {
    try {
      assertSameVocabulary(verify, draft);
    } catch (error) {
      return (error as Error).message;
    }
  };
  assert.is(
    message(vocabulary("the", "of"), vocabulary("the", "to")),
    'Cannot verify with this draft model: the vocabularies part at id 257, where verify has "of" and draft has "to"; ' +
      "use a draft model of the same family",
  );
  const longerDraft = message(vocabulary("the"), vocabulary("the", "padding"));
  assert.match(longerDraft!, 'verify has only 257 tokens and draft has "padding"');
  const longerVerify = message(vocabulary("the", "<|im_end|>"), vocabulary("the"));
  assert.match(longerVerify!, 'verify has "<|im_end|>" and draft has only 257 tokens');
});

test.run();
