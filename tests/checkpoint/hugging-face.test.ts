// A folder in Hugging Face's layout is the same checkpoint as the GGUF file of the same model.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { llamaConfig } from "../../src/checkpoint/config.ts";
import { openModelFile, openModelPair } from "../../src/engine/model-pair.ts";
import { assertSameBits } from "../kernels/kernel-fixture.ts";
import { withDevice } from "../with-device.ts";
import { openBytes, type RandomLlama, randomLlama } from "./gguf-builder.ts";
import { load, SMALL, tokensOf, verifyAll } from "../llama/llama-fixture.ts";
import { assertRefused } from "../llama/refused.ts";
import { type Files, randomLlamaFolder, writeFolder } from "./safetensors-builder.ts";

const temp = await Deno.makeTempDir();
let folders = 0;
const write = (files: Files) => writeFolder(`${temp}/${folders++}`, files);

/** A model with three heads and two layers, whose GGUF file and folder have the same tokenizer. */
const MODEL: RandomLlama = { ...SMALL, kvHeads: 3, tokenizer: true, tied: false, type: "F16" };
const FOLDER = randomLlamaFolder(MODEL);

/** The folder's files, with members of one JSON file changed. */
function changed(name: string, change: Record<string, unknown>, files: Files = FOLDER): Files {
  return { ...files, [name]: { ...files[name] as Record<string, unknown>, ...change } };
}

await withDevice("a folder gives the bits of the GGUF, in one file or several", async (device) => {
  const tokens = tokensOf(40);
  for (const type of ["F32", "F16", "BF16"] as const) {
    for (const [tied, shards] of [[true, 1], [false, 3]] as const) {
      const options = { ...MODEL, type, tied };
      const wanted = await verifyAll(await load(device, await openBytes(randomLlama(options))), tokens, 8);
      assert.ok(wanted.every(Number.isFinite) && new Set(wanted).size > wanted.length / 2);
      const file = await openModelFile(await write(randomLlamaFolder(options, shards)));
      const llama = await load(device, file.checkpoint);
      assertSameBits(`${type} in ${shards} files`, await verifyAll(llama, tokens, 8), wanted);
      await llama.prefill(tokens.slice(0, -1), 0);
      const greedy = (await llama.decode(tokens.at(-1)!, tokens.length - 1, 16)).tokens;
      const gguf = await load(device, await openBytes(randomLlama(options)));
      await gguf.prefill(tokens.slice(0, -1), 0);
      assert.equal(greedy, (await gguf.decode(tokens.at(-1)!, tokens.length - 1, 16)).tokens);
      await file.checkpoint.close();
    }
  }
});

test("every read of a tensor of Q and K is in GGUF's order of rows", async () => {
  const checkpoint = await openBytes(randomLlama(MODEL));
  const file = await openModelFile(await write(FOLDER));
  for (const [name, { source, offset, bytes, shape }] of checkpoint.tensors) {
    const got = file.checkpoint.tensors.get(name)!;
    assert.equal([got.shape, got.bytes], [shape, bytes], name);
    const wanted = await source.read(offset, bytes);
    for (const [from, to] of [[0, bytes], [0, bytes / 3], [bytes / 4, bytes / 2], [bytes - 64, bytes]] as const) {
      const [at, length] = [Math.floor(from), Math.floor(to) - Math.floor(from)];
      assert.equal(await got.source.read(got.offset + at, length), wanted.slice(at, at + length), `${name} at ${at}`);
    }
  }
  await file.checkpoint.close();
});

test("the configuration is that of the GGUF", async () => {
  const checkpoint = await openBytes(randomLlama(MODEL));
  const file = await openModelFile(await write(FOLDER));
  assert.equal({ ...file.config, name: "" }, { ...await llamaConfig(checkpoint), name: "" });
  await file.checkpoint.close();
});

async function configOf(change: Record<string, unknown>, files = FOLDER) {
  const file = await openModelFile(await write(changed("config.json", change, files)));
  await file.checkpoint.close();
  return file.config;
}

test("RoPE's base and scaling stand in rope_theta and rope_scaling, or in rope_parameters", async () => {
  const linear = { rope_type: "linear", factor: 4 };
  for (
    const change of [{ rope_theta: 500_000, rope_scaling: linear }, {
      rope_parameters: { ...linear, rope_theta: 500_000 },
    }, { rope_theta: 500_000, rope_scaling: { type: "linear", factor: 4 } }]
  ) {
    const { ropeBase, ropeScale, ropeFactors } = await configOf(change);
    assert.equal([ropeBase, ropeScale, ropeFactors], [500_000, 4, null]);
  }
  const { ropeBase, ropeScale } = await configOf({ rope_theta: undefined, rope_scaling: null });
  assert.equal([ropeBase, ropeScale], [10_000, 1]);
});

test("Llama 3.2's frequencies are divided as in its GGUF's rope_freqs.weight", async () => {
  const scaling = {
    rope_type: "llama3",
    factor: 32,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 8192,
  };
  const { ropeFactors } = await configOf({ rope_theta: 500_000, rope_scaling: scaling });
  // This is transformers' formula, frequency by frequency and in the same order of operations.
  const wanted = Float32Array.from({ length: 32 }, (_, pair) => {
    const frequency = 1 / 500_000 ** (2 * pair / 64);
    const wave = 2 * Math.PI / frequency;
    if (wave < 8192 / 4) return 1;
    if (wave > 8192) return 32;
    const smooth = (8192 / wave - 1) / (4 - 1);
    return frequency / ((1 - smooth) * frequency / 32 + smooth * frequency);
  });
  for (const [pair, factor] of wanted.entries()) assert.ok(Math.abs(ropeFactors![pair]! / factor - 1) < 1e-6);
  assert.equal([ropeFactors![0], ropeFactors![31]], [1, 32]);
  assert.is(ropeFactors!.filter((factor) => factor > 1 && factor < 32).length, 3);
});

test("tokens that end a text come from generation_config.json, then from config.json", async () => {
  const files = { ...changed("config.json", { eos_token_id: 9 }), "generation_config.json": { eos_token_id: [5, 7] } };
  const { checkpoint } = await openModelFile(await write(files));
  await checkpoint.close();
  assert.equal(checkpoint.metadata.get("tokenizer.ggml.eos_token_ids"), Float64Array.of(5, 7, 9));
});

test("the chat template comes from its file, or from tokenizer_config.json", async () => {
  const templateOf = async (files: Files) => {
    const file = await openModelFile(await write(files));
    await file.checkpoint.close();
    return file.checkpoint.metadata.get("tokenizer.chat_template");
  };
  const config = changed("tokenizer_config.json", { chat_template: "config" });
  assert.is(await templateOf(FOLDER), undefined);
  assert.is(await templateOf(config), "config");
  const list = [{ name: "tool", template: "tool" }, { name: "default", template: "listed" }];
  assert.is(await templateOf(changed("tokenizer_config.json", { chat_template: list })), "listed");
  assert.is(await templateOf({ ...config, "chat_template.json": { chat_template: "json" } }), "json");
  const jinja = new TextEncoder().encode("jinja");
  assert.is(await templateOf({ ...config, "chat_template.jinja": jinja }), "jinja");
});

test("a folder and a GGUF make a pair where their vocabularies are one", async () => {
  const gguf = `${temp}/same.gguf`;
  await Deno.writeFile(gguf, randomLlama(MODEL));
  const same = await openModelPair(gguf, await write(FOLDER));
  await Promise.all([same.verify.checkpoint.close(), same.draft!.checkpoint.close()]);
  const model = FOLDER["tokenizer.json"] as { added_tokens: { content: string }[] };
  const added_tokens = [{ ...model.added_tokens[0], content: "<|other|>" }];
  const vocab = { ...(FOLDER["tokenizer.json"] as { model: { vocab: Record<string, number> } }).model.vocab };
  delete vocab["<|endoftext|>"];
  const other = changed(
    "tokenizer.json",
    { added_tokens, model: { ...(FOLDER["tokenizer.json"] as { model: object }).model, vocab } },
    changed("tokenizer_config.json", { bos_token: "<|other|>", eos_token: "<|other|>" }),
  );
  const path = await write(other);
  await assertRefused(() => openModelPair(gguf, path), /verify has "<\|endoftext\|>" and draft has "<\|other\|>"/);
});

const SHARDED = randomLlamaFolder(MODEL, 2);
const INDEX = "model.safetensors.index.json";
const map = (SHARDED[INDEX] as { weight_map: Record<string, string> }).weight_map;
const without = (files: Files, name: string) =>
  Object.fromEntries(Object.entries(files).filter(([key]) => key !== name));
const POINTER = new TextEncoder().encode("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 9085657\n");
const config = (change: Record<string, unknown>) => changed("config.json", change);

test("a whole file may be named as a part; a part alone is told", async () => {
  const path = await write({ "epoch-1-of-3.gguf": randomLlama(MODEL) }) + "/epoch-1-of-3.gguf";
  await (await openModelFile(path)).checkpoint.close();
  const part = randomLlama({ ...MODEL, metadata: [["split.no", "u16", 0], ["split.count", "u16", 3]] });
  const alone = await write({ "m-1-of-3.gguf": part }) + "/m-1-of-3.gguf";
  await assertRefused(
    () => openModelFile(alone),
    /it is part 1 of 3, wanted part 1 of 1; put all parts into one folder/,
  );
  const two = await write({ "m-1-of-3.gguf": part, "m-3-of-3.gguf": part });
  for (const name of ["m-1-of-3.gguf", "m-3-of-3.gguf"]) {
    await assertRefused(
      () => openModelFile(`${two}/${name}`),
      /m-2-of-3\.gguf": there is no such file; check the path$/,
    );
  }
});

const WRONG: readonly [title: string, files: Files, message: RegExp][] = [
  ["no config", without(FOLDER, "config.json"), /it is a folder without config\.json; give a GGUF file, or a folder/],
  ["no tokenizer", without(FOLDER, "tokenizer.json"), /tokenizer\.json": there is no such file; check the path$/],
  [
    "no weights",
    without(FOLDER, "model.safetensors"),
    /: it has no model\.safetensors; get the model's safetensors, or a GGUF$/,
  ],
  [
    "PyTorch's weights",
    { ...without(FOLDER, "model.safetensors"), "pytorch_model.bin": {} },
    /: it has no model\.safetensors, but "pytorch_model\.bin", which is PyTorch's; get the model's safetensors/,
  ],
  [
    "GGUF files",
    { "b.gguf": {}, "a.gguf": {}, "README.md": {} },
    /: it is a folder with GGUF files; give one of them: "a\.gguf"$/,
  ],
  [
    "a hub's cache",
    { snapshots: {}, refs: {}, blobs: {} },
    /: it is a repository's folder in a hub's cache; give a folder/,
  ],
  [
    "a pointer as tokenizer",
    { ...FOLDER, "tokenizer.json": POINTER },
    /tokenizer\.json": it is a git-lfs pointer to a file/,
  ],
  [
    "a pointer as weights",
    { ...FOLDER, "model.safetensors": POINTER },
    /model\.safetensors": it is a git-lfs pointer to a/,
  ],
  [
    "a page as config",
    { ...FOLDER, "config.json": new TextEncoder().encode("<html>") },
    /config\.json": it is a web page; /,
  ],
  [
    "too many tensors in the index",
    changed(
      INDEX,
      { weight_map: Object.fromEntries(Array.from({ length: 65_537 }, (_, i) => [`t${i}`, "a"])) },
      SHARDED,
    ),
    /index\.json": it names 65537 tensors, at most 65536 are read; download it again$/,
  ],
  [
    "no shard",
    without(SHARDED, "model-00002-of-00002.safetensors"),
    /index\.json": it names "model-00002-of-00002\.safetensors", which is not in the folder; download all/,
  ],
  [
    "a shard elsewhere",
    changed(INDEX, { weight_map: { ...map, "lm_head.weight": "../x" } }, SHARDED),
    /it names "\.\.\/x", which is not in the folder/,
  ],
  [
    "no tensor in the shard",
    changed(INDEX, { weight_map: { ...map, extra: map["lm_head.weight"] } }, SHARDED),
    /": tensor "extra" is missing, which model\.safetensors\.index\.json says is there; download both again$/,
  ],
  ["no map", changed(INDEX, { weight_map: [] }, SHARDED), /"weight_map" is an array of 0, wanted an object/],
  [
    "not JSON",
    { ...FOLDER, "config.json": new Uint8Array([123]) },
    /config\.json": it is no JSON; the file is damaged/,
  ],
  [
    "an architecture that is no text",
    config({ architectures: [{ toString: 1 }] }),
    /its architecture is an object, wanted "LlamaForCausalLM"; use a/,
  ],
  [
    "another architecture",
    config({ architectures: ["Qwen2ForCausalLM"] }),
    /its architecture is "Qwen2ForCausalLM", wanted "LlamaForCausalLM"; use a Llama, TinyLlama or SmolLM2 model$/,
  ],
  ["another type", config({ model_type: "mistral" }), /its model_type is "mistral", wanted "llama"; use/],
  [
    "quantised",
    config({ quantization_config: { quant_method: "gptq" } }),
    /quantised \(quantization_config, "gptq"\), wanted F32, F16 or BF16; get the unquantised checkpoint, or a GGUF$/,
  ],
  ["biases", config({ attention_bias: true }), /it has biases \(attention_bias\), wanted none; use/],
  ["another activation", config({ hidden_act: "gelu" }), /its hidden_act is "gelu", wanted "silu"; use/],
  ["no size", config({ hidden_size: undefined }), /"hidden_size" is missing, wanted a number; get or convert/],
  ["half a layer", config({ num_hidden_layers: 1.5 }), /"num_hidden_layers" is "1\.5", wanted a whole number of 1/],
  ["a layer more", config({ num_hidden_layers: 3 }), /tensor "blk\.2\.attn_norm\.weight" is missing/],
  ["another vocabulary", config({ vocab_size: 300 }), /"vocab_size" is "300", wanted 301 rows, as/],
  ["small heads", config({ head_dim: 32 }), /its heads have a size of 32, wanted 64 or 128; use/],
  [
    "another scaling",
    config({ rope_scaling: { rope_type: "yarn", factor: 4 } }),
    /its RoPE scaling is "yarn", wanted "default", "linear" or "llama3"; use/,
  ],
  [
    "no lm_head",
    config({ tie_word_embeddings: false }),
    /tensor "lm_head\.weight" is missing, wanted as "tie_word_embeddings" is false; get/,
  ],
  ["a tokenizer of another kind", changed("tokenizer.json", { model: { type: "Unigram" } }), /is of kind "Unigram"/],
];

/** The paths of files of weights that this process has open; `null` where the system doesn't tell. */
async function openWeights(): Promise<string[] | null> {
  if (Deno.build.os !== "linux") return null;
  const links: string[] = [];
  for await (const { name } of Deno.readDir("/proc/self/fd")) {
    links.push(await Deno.readLink(`/proc/self/fd/${name}`).catch(() => ""));
  }
  return links.filter((link) => link.startsWith(temp));
}

test("what a folder asks for and doesn't run here is refused in one line", async () => {
  for (const files of [FOLDER, SHARDED]) await (await openModelFile(await write(files))).checkpoint.close();
  const tied = changed("config.json", { tie_word_embeddings: false }, randomLlamaFolder({ ...MODEL, tied: true }));
  for (const [title, files, message] of WRONG) {
    const path = await write(title === "no lm_head" ? tied : files);
    try {
      await assertRefused(() => openModelFile(path), message);
    } catch (error) {
      throw new Error(`${title}: ${error}`);
    }
    assert.equal(await openWeights() ?? [], [], title);
  }
});

test.after(() => Deno.removeSync(temp, { recursive: true }));

test.run();
