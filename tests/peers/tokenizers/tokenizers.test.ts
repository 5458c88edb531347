// Our tokenizers against other people's, id for id. Not part of the fast tests: it has dependencies of its own.
// `deno task test:peers tokenizers` installs and runs it.
// npm and not Deno installs: node-llama-cpp 3.22.1 names an optional package that the registry lacks (linux-riscv64),
// which only npm skips. It downloads some 700 MB.
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import llama3Peer from "llama3-tokenizer-js";
import llama2Peer from "llama-tokenizer-js";
import { getLlama, LlamaLogLevel, type Token } from "node-llama-cpp";
import { openFile } from "../../../src/platform/platform-file.ts";
import { openGguf } from "../../../src/checkpoint/gguf.ts";
import { loadTokenizer } from "../../../src/tokenizer/tokenizer.ts";

const root = new URL("../../../", import.meta.url);
const humanEval = await readHumanEval();
let skipped = 0;

const TRICKY = [
  ...["", "a", " ", "  ", "   ", "\n", "\n\n\n", "\t\tx", "\r\n a\rb", "Hello, world!", " Hello", "Hello  world  "],
  ...["0", "12", "123", "1234", "12345678 9.10 1,000", "  7", "\n    0.5", "x1y22z333", "１２３ ⅷ ½ ²"],
  ...["don't I'LL we've 'S 'd 'Re", "it''s ' s", "'t's", "’s", "naïve café", "ÀÉîõü ñ ç", "e\u0301 vs é"],
  ...["日本語のテキスト。", "全角　空白", "한국어 텍스트", "Привет, мир", "مرحبا بالعالم", "नमस्ते दुनिया", "ภาษาไทย"],
  ...["😀👍🏽👨‍👩‍👧", "🇩🇪🇪", "𝔘𝔫𝔦", "🐈 🐈  🐈", "\u200b\u00a0\ufeff", "\u0085\u2028\u2029", "\u3000\u1680a", "\u{10ffff}"],
  ...["\x00\x01\x04\x7f", "\ud7ff\ue000\ufffd", "</s", "<s> a</s> b<unk>", "<0x41>", "<|endoftext|>", "<|im_start"],
  "<|im_start|>user\nhi<|im_end|>\n",
  "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>",
  "    for (int i=0;i<10;i++) {\n\t}\n",
  "https://example.org/a?b=c&d=%20 $$\\int_0^1 x^2\\,dx$$ camelCaseWordsAndSNAKE_CASE_words",
  "x".repeat(300) + " ".repeat(100) + "=".repeat(77) + "\n".repeat(50) + "ab".repeat(100),
];

/** The datasets lie beside the checkout where there are any. */
async function readHumanEval(): Promise<string[]> {
  try {
    const file = await Deno.open(new URL("../shared/datasets/HumanEval.jsonl.gz", root));
    const text = await new Response(file.readable.pipeThrough(new DecompressionStream("gzip"))).text();
    return text.trim().split("\n").map((line) => JSON.parse(line).prompt);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

const metadataOf = (values: Record<string, unknown>) =>
  new Map(Object.entries(values).map(([key, value]) => [`tokenizer.ggml.${key}`, value]));

function compare(texts: readonly string[], ours: (text: string) => number[], theirs: (text: string) => number[]): void {
  for (const text of texts) assert.equal(ours(text), theirs(text), JSON.stringify(text));
}

test("Llama 2's vocabulary: SentencePiece as llama-tokenizer-js has it", () => {
  const tokens = llama2Peer.vocabById;
  const ours = loadTokenizer(metadataOf({
    model: "llama",
    tokens,
    // The original model's scores, which the peer has made into merges: by id, and runs of spaces last.
    scores: tokens.map((token, id) => (/^▁▁+$/.test(token) ? -1e9 : Math.min(0, 259 - id))),
    token_type: tokens.map((_, id) => (id === 0 ? 2 : id < 3 ? 3 : id < 259 ? 6 : 1)),
    bos_token_id: 1,
    eos_token_id: 2,
    unknown_token_id: 0,
  }));
  assert.is(ours.vocabulary, 32000);
  compare(
    [...TRICKY, ...humanEval].filter((text) => text !== ""), // For "" the peer leaves BOS out.
    (text) => ours.encode(text, { special: false }),
    (text) => llama2Peer.encode(text),
  );
});

test("Llama 3's vocabulary: llama-bpe as llama3-tokenizer-js has it", () => {
  const tokens = llama3Peer.vocabById;
  const ours = loadTokenizer(metadataOf({
    model: "gpt2",
    pre: "llama-bpe",
    tokens,
    merges: [...llama3Peer.merges.keys()],
    token_type: tokens.map((_, id) => (id < 128000 ? 1 : 3)),
    bos_token_id: 128000,
    eos_token_id: 128009,
  }));
  assert.is(ours.vocabulary, 128256);
  compare(
    [...TRICKY, ...humanEval],
    (text) => ours.encode(text, { special: true }),
    // The peer begins a text twice that begins by itself.
    (text) => llama3Peer.encode(text, { bos: !text.startsWith("<|begin_of_text|>"), eos: false }),
  );
});

const llama = await getLlama({ gpu: false, build: "never", logLevel: LlamaLogLevel.disabled });

async function compareWithLlamaCpp(path: string, texts: readonly string[]): Promise<void> {
  const file = await openGguf(await openFile(path));
  const ours = loadTokenizer(file.metadata);
  await file.close();
  const theirs = await llama.loadModel({ modelPath: path, vocabOnly: true });
  for (const special of [true, false]) {
    compare(texts, (text) => ours.encode(text, { special, addBos: false }), (text) => theirs.tokenize(text, special));
  }
  for (const id of ours.eosIds) assert.ok(theirs.isEogToken(id as Token), ours.tokenStrings[id]);
  await theirs.dispose();
}

for (const name of ["smollm2-135m-instruct-q4_1.gguf", "smollm2-draft-42m-q8_0.gguf"]) {
  test(`the embedded model's vocabulary as llama.cpp has it: ${name}`, () =>
    compareWithLlamaCpp(fileURLToPath(new URL(`models/${name}`, root)), [...TRICKY, ...humanEval]));
}

// node-llama-cpp carries llama.cpp's own repository, and in it the vocabularies that llama.cpp is tested with.
test("the vocabularies in llama.cpp's repository as llama.cpp has them", async () => {
  const bundle = fileURLToPath(new URL("node_modules/node-llama-cpp/llama/gitRelease.bundle", import.meta.url));
  const folder = await Deno.makeTempDir();
  try {
    try {
      execFileSync("git", ["clone", "--quiet", "--no-checkout", bundle, folder]);
    } catch (error) {
      if ((error as { code?: string }).code !== "ENOENT") throw error;
      skipped++;
      return;
    }
    for (const name of ["llama-spm", "llama-bpe", "gpt-2", "starcoder", "refact", "command-r", "mpt"]) {
      const file = `models/ggml-vocab-${name}.gguf`;
      execFileSync("git", ["-C", folder, "checkout", "--quiet", "HEAD", "--", file]);
      await compareWithLlamaCpp(`${folder}/${file}`, [...TRICKY, ...humanEval]);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

test.after(async () => {
  await llama.dispose();
  if (humanEval.length === 0) skipped++;
  console.log(`${TRICKY.length} tricky texts and ${humanEval.length} of HumanEval; ${skipped} skipped`);
});
test.run();
