// A tokenizer.json as the metadata that it becomes, and the tokenizer that is built of that.

import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import fc from "fast-check";
import { openGguf } from "../../src/checkpoint/gguf.ts";
import { JsonFile, type JsonObject } from "../../src/checkpoint/json-file.ts";
import { tokenizerMetadata } from "../../src/checkpoint/tokenizer-json.ts";
import { openFile } from "../../src/platform/platform-file.ts";
import { loadTokenizer, type Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import { assertRefused } from "../llama/refused.ts";
import { type MetadataEntry, type RandomLlama, randomLlamaParts } from "./gguf-builder.ts";
import { BYTE_TOKENS } from "../tokenizer/vocabularies.ts";
import { type Files, tokenizerFiles } from "./safetensors-builder.ts";

const root = new URL("../../", import.meta.url);
const embedded = await openGguf(
  await openFile(fileURLToPath(new URL("models/smollm2-draft-42m-q8_0.gguf", root))),
);
await embedded.close();
const smollm = loadTokenizer(embedded.metadata);
const smollmFiles = tokenizerFiles(
  [...embedded.metadata].map(([key, value]) => [key, "string", value] as unknown as MetadataEntry),
);

/** The tokenizer that the two files make, for an embedding with `vocabulary` rows, by default one for each token. */
function tokenizerOf(
  files: Files,
  { eosIds = [], vocabulary }: { eosIds?: readonly number[]; vocabulary?: number } = {},
): Tokenizer {
  const read = (name: string) => new JsonFile(name, JSON.parse(JSON.stringify(files[name])));
  const file = read("tokenizer.json");
  const config = files["tokenizer_config.json"] ? read("tokenizer_config.json") : undefined;
  const { vocab } = file.values.model as { vocab: JsonObject };
  const added = file.objects("added_tokens").map(({ values }) => values.content);
  vocabulary ??= new Set([...Object.keys(vocab), ...added]).size;
  return loadTokenizer(tokenizerMetadata(file, { config, bosId: undefined, eosIds, vocabulary }));
}

test("the embedded model's tokenizer from a tokenizer.json gives the same ids", async () => {
  const tokenizer = tokenizerOf(smollmFiles);
  assert.equal(tokenizer.tokenStrings, smollm.tokenStrings);
  assert.equal([tokenizer.bosId, tokenizer.addBos, [...tokenizer.eosIds].sort()], [1, false, [0, 2]]);
  const golden = JSON.parse(await Deno.readTextFile(new URL("tests/goldens/tokenizer.json", root)));
  for (const { text, ids } of golden.cases as { text: string; ids: number[] }[]) {
    assert.equal(tokenizer.encode(text, { special: true, addBos: false }), ids, JSON.stringify(text));
  }
  const words = fc.constantFrom("the", " the", "  ", "\n", "'s", "12", "日本", "🙂", "<|im_end|>", "<|im_start|>user");
  const text = fc.array(fc.oneof(words, fc.string({ unit: "binary", maxLength: 9 }))).map((list) => list.join(""));
  fc.assert(fc.property(text, fc.boolean(), (text, special) => {
    const ids = smollm.encode(text, { special });
    assert.equal(tokenizer.encode(text, { special }), ids);
    for (const id of ids) assert.equal(tokenizer.tokenBytes(id), smollm.tokenBytes(id));
  }));
});

test("merges may be pairs, Llama 3's split takes whole words, and the post-processor begins with BOS", async () => {
  const file = smollmFiles["tokenizer.json"] as { model: { merges: string[] } };
  const regex =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" +
    "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false };
  const split = { type: "Split", pattern: { Regex: regex }, behavior: "Isolated", invert: false };
  const begin = { SpecialToken: { id: "<|im_start|>", type_id: 0 } };
  const text = { Sequence: { id: "A", type_id: 0 } };
  const wanted = loadTokenizer(
    new Map([...embedded.metadata, ["tokenizer.ggml.pre", "llama-bpe"], ["tokenizer.ggml.add_bos_token", true]]),
  );
  const tokenizer = tokenizerOf({
    "tokenizer.json": {
      ...file,
      pre_tokenizer: { type: "Sequence", pretokenizers: [split, byteLevel] },
      post_processor: {
        type: "Sequence",
        processors: [byteLevel, { type: "TemplateProcessing", single: [begin, text] }],
      },
      model: { ...file.model, ignore_merges: true, merges: file.model.merges.map((merge) => merge.split(" ")) },
    },
    "tokenizer_config.json": { bos_token: "<|im_start|>" },
  }, { eosIds: [5, 7] });
  for (const text of ["It's 12345 o'clock", "a\n\n  b", "Hello, World!  x", "don'T 日本"]) {
    assert.equal(tokenizer.encode(text, { special: true }), wanted.encode(text, { special: true }));
  }
  assert.is(tokenizer.addBos, true);
  for (const id of [5, 7]) assert.ok(tokenizer.eosIds.has(id));
});

const LLAMA2_TOKENS = ["<unk>", "<s>", "</s>", ...BYTE_TOKENS, "▁", "a", "b", "▁a", "ab", "▁ab"];
const SPECIAL = LLAMA2_TOKENS.slice(0, 3).map((content, id) => ({ id, content, special: true, normalized: true }));
const NORMALIZER = {
  type: "Sequence",
  normalizers: [{ type: "Prepend", prepend: "▁" }, { type: "Replace", pattern: { String: " " }, content: "▁" }],
};
const LLAMA2 = {
  added_tokens: SPECIAL,
  normalizer: NORMALIZER,
  pre_tokenizer: null,
  model: {
    type: "BPE",
    byte_fallback: true,
    unk_token: "<unk>",
    vocab: Object.fromEntries(LLAMA2_TOKENS.map((token, id) => [token, id])),
    merges: ["a b", "▁ ab", "▁ a"],
  },
};

test("a tokenizer.json with byte fallback is SentencePiece's: prefix, merges by rank, bytes", async () => {
  const tokenizer = tokenizerOf({
    "tokenizer.json": LLAMA2,
    "tokenizer_config.json": { bos_token: "<s>", eos_token: "</s>", add_bos_token: true },
  });
  const strings = (text: string) => tokenizer.encode(text, { special: true }).map((id) => tokenizer.tokenStrings[id]);
  assert.equal(strings("ab a"), ["<s>", "▁ab", "▁a"]);
  assert.equal(strings("é"), ["<s>", "▁", "<0xC3>", "<0xA9>"]);
  assert.ok(tokenizer.eosIds.has(2));
  const scheme = (scheme: string) => ({
    ...LLAMA2,
    normalizer: null,
    pre_tokenizer: { type: "Metaspace", replacement: "▁", prepend_scheme: scheme, split: false },
  });
  const never = tokenizerOf(
    { "tokenizer.json": scheme("never"), "tokenizer_config.json": {} },
  );
  assert.equal(never.encode("ab a", { special: true }).map((id) => never.tokenStrings[id]), ["ab", "▁a"]);
});

const RANDOM: RandomLlama = {
  layers: 1,
  hidden: 32,
  heads: 1,
  kvHeads: 1,
  headSize: 64,
  feedForward: 32,
  vocabulary: 301,
  type: "F16",
  tied: true,
  seed: 1,
  tokenizer: true,
};
const FILES = tokenizerFiles(randomLlamaParts(RANDOM).metadata);
/** The files with members of one of them changed. */
const changed = (name: string, change: Record<string, unknown>): Files => ({
  ...FILES,
  [name]: { ...FILES[name] as JsonObject, ...change },
});
const file = (change: Record<string, unknown>) => changed("tokenizer.json", change);
const config = (change: Record<string, unknown>) => changed("tokenizer_config.json", change);
const model = (change: Record<string, unknown>) =>
  file({ model: { ...(FILES["tokenizer.json"] as { model: JsonObject }).model, ...change } });

const nested = (depth: number): JsonObject => (
  depth === 0 ? { type: "NFC" } : { type: "Sequence", normalizers: [nested(depth - 1)] }
);
/** What JSON may have and no String() takes. */
const NO_TEXT = { toString: 1, valueOf: 1 };
const token = (id: unknown) => ({ SpecialToken: { id, type_id: 0 } });
const TEXT = { Sequence: { id: "A", type_id: 0 } };

for (
  const [what, files, message] of [
    [
      "Unigram",
      model({ type: "Unigram" }),
      /its tokenizer is of kind "Unigram", wanted "BPE"; use a GGUF of the model$/,
    ],
    [
      "a merge of nothing",
      model({ merges: ["q!! z!!"] }),
      /merge 0 is "q!! z!!", wanted two texts that make a token; get/,
    ],
    ["an id below 0", model({ vocab: { a: -1 } }), /token "a" has id "-1", wanted a whole number of 0 or more; get/],
    ["an id twice", model({ vocab: { a: 1, b: 1 } }), /token "b" and id 1 are there twice/],
    [
      "another normalizer",
      file({ normalizer: { type: "Precompiled" } }),
      /its normalizer has the step "\{\\"type\\":\\"Precompiled\\"\}", which is not done here; use a GGUF/,
    ],
    [
      "another split",
      file({ pre_tokenizer: { type: "UnicodeScripts" } }),
      /its pre-tokenizer has the step "\{\\"type\\":\\"UnicodeScripts\\"\}", which is not done here; use a GGUF/,
    ],
    [
      "more steps than anyone has",
      file({ normalizer: { type: "Sequence", normalizers: Array(33).fill({ type: "NFC" }) } }),
      /its normalizer has 33 steps; use a GGUF/,
    ],
    [
      "too many added tokens",
      file({ added_tokens: Array(2 ** 18 + 1).fill({}) }),
      /"added_tokens" is an array of 262145, wanted 262144 tokens at most; get/,
    ],
    [
      "added tokens of too many characters",
      file({ added_tokens: ["a", "b"].map((letter, i) => ({ id: 301 + i, content: letter.repeat(2 ** 20 + i) })) }),
      /its added tokens have 2097153 characters, wanted 2097152 at most; get/,
    ],
    [
      "an added token that is no text",
      file({ added_tokens: [{ id: 301, content: NO_TEXT }] }),
      /token an object has id "301", wanted/,
    ],
    [
      "a template's token that is no text",
      file({ post_processor: { type: "TemplateProcessing", single: [token(NO_TEXT), TEXT], special_tokens: {} } }),
      /begins or ends texts with an object, which is no token/,
    ],
    ["a nest of steps", file({ normalizer: nested(9) }), /its normalizer is nested more than 8 deep; use a GGUF/],
    [
      "another post-processor",
      file({ post_processor: { type: "Fancy" } }),
      /has the post-processor "Fancy", which is not done here; use a GGUF of the model$/,
    ],
    [
      "two tokens before a text",
      file({ post_processor: { type: "TemplateProcessing", single: [token("a"), token("b"), TEXT] } }),
      /puts more than one token before a text, or behind it; wanted one or none; use a GGUF/,
    ],
    [
      "an unknown BOS",
      config({ bos_token: "<x>" }),
      /tokenizer_config\.json": "bos_token" is "<x>", wanted a token of tokenizer\.json; get/,
    ],
  ] as [string, Files, RegExp][]
) {
  test(`refused: ${what}`, () => assertRefused(async () => tokenizerOf(files, { vocabulary: 301 }), message));
}

test("tokens beyond the embedding's rows are text like any other, and a warning says so", () => {
  const files = file({
    added_tokens: [{ id: 301, content: "<pad>", special: true }, { id: 9, content: "<tool>", special: false }],
  });
  const vocab = { ...(FILES["tokenizer.json"] as { model: { vocab: JsonObject } }).model.vocab };
  for (const [token, id] of Object.entries(vocab)) if (id === 9) delete vocab[token];
  const changed = {
    ...files,
    "tokenizer.json": { ...files["tokenizer.json"] as JsonObject, model: { type: "BPE", vocab, merges: [] } },
  };
  const tokenizer = tokenizerOf(changed, { vocabulary: 301, eosIds: [5, 301] });
  assert.is(tokenizer.encode("<pad>", { special: true, addBos: false }).length, 5);
  assert.equal(tokenizer.encode("<tool>", { special: true, addBos: false }), [9]);
  assert.not(tokenizer.eosIds.has(301));
  assert.equal(tokenizer.warnings, [
    'the model has no rows for 1 added tokens ("<pad>"), whose texts are text like any other',
  ]);
});

test("the post-processor says whether BOS and EOS come; the flags do for a Llama's tokenizer", () => {
  const bound = { type: "TemplateProcessing", single: [token("<s>"), TEXT, token("</s>")] };
  const of = (post_processor: unknown, config: JsonObject) => {
    const names = { bos_token: "<s>", eos_token: "</s>" };
    const files = { "tokenizer.json": { ...LLAMA2, post_processor }, "tokenizer_config.json": { ...names, ...config } };
    return tokenizerOf(files as Files).encode("ab", { special: true });
  };
  const text = of(null, {});
  assert.equal(of(bound, {}), [1, ...text, 2]);
  assert.equal(of({ type: "RobertaProcessing", cls: ["<s>", 1], sep: ["</s>", 2] }, {}), [1, ...text, 2]);
  assert.equal(of(bound, { add_bos_token: false, add_eos_token: false }), [1, ...text, 2]);
  const llama = { tokenizer_class: "LlamaTokenizer", add_bos_token: false, add_eos_token: false };
  assert.equal(of(bound, llama), text);
  assert.equal(of(null, { add_bos_token: true }), [1, ...text]);
});

test("a normalizer that makes texts far longer is an error as it does", () => {
  const content = "a".repeat(200);
  const normalizers = Array.from({ length: 9 }, () => ({ type: "Replace", pattern: { String: "a" }, content }));
  const tokenizer = tokenizerOf(file({ normalizer: { type: "Sequence", normalizers } }), { vocabulary: 301 });
  assert.throws(
    () => tokenizer.encode("aaa", { special: true }),
    /^Cannot encode the text: the tokenizer's normalizer makes it too long; use a GGUF of the model$/,
  );
});

test("a normalizer that makes the texts of added tokens too long is refused", () => {
  const added_tokens = Array.from(
    { length: 2 ** 13 },
    (_, i) => ({ id: 301 + i, content: `<${i}>`, normalized: true }),
  );
  const files = file({ added_tokens, normalizer: { type: "Prepend", prepend: "a".repeat(256) } });
  return assertRefused(
    async () => tokenizerOf(files, { vocabulary: 301 + 2 ** 13 }),
    /^Cannot load the tokenizer: the texts of its added tokens have more than 2097152 characters; get or convert/,
  );
});

test("a class of tokenizers that is no text is none of Llama's", () => {
  const files = { ...FILES, "tokenizer_config.json": { tokenizer_class: NO_TEXT, add_bos_token: true } } as Files;
  assert.is(tokenizerOf(files, { vocabulary: 301 }).vocabulary, 301);
});

test("ids without a token become unused tokens", () => {
  const { vocabulary, tokenStrings } = tokenizerOf(FILES, { vocabulary: 303 });
  assert.equal([vocabulary, tokenStrings[302]], [303, "[PAD302]"]);
});

test.run();
