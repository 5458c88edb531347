// A folder in Hugging Face's layout is the same checkpoint as the GGUF file of the same model.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { llamaConfig } from "../../src/checkpoint/config.ts";
import { openModelFile, openModelPair } from "../../src/engine/model-pair.ts";
import { assertSameBits } from "../kernels/kernel-fixture.ts";
import { withDevice } from "../with-device.ts";
import { openBytes, type RandomLlama, randomLlama, randomLlamaParts, type TensorEntry } from "./gguf-builder.ts";
import { load, SMALL, tokensOf, verifyAll } from "../llama/llama-fixture.ts";
import { assertRefused } from "../llama/refused.ts";
import { type Files, randomLlamaFolder, safetensorsFile, translate, writeFolder } from "./safetensors-builder.ts";

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

const frequencies = (base: number, factor: (pair: number) => number) =>
  Float64Array.from({ length: 32 }, (_, pair) => base ** (-2 * pair / 64) / factor(pair));

test("RoPE's base and scaling stand in rope_theta and rope_scaling, or in rope_parameters", async () => {
  const linear = { rope_type: "linear", factor: 4 };
  for (
    const change of [{ rope_theta: 500_000, rope_scaling: linear }, {
      rope_parameters: { ...linear, rope_theta: 500_000 },
    }, { rope_theta: 500_000, rope_scaling: { type: "linear", factor: 4 } }]
  ) {
    assert.equal((await configOf(change)).rope.frequencies, frequencies(500_000, () => 4));
  }
  const { rope } = await configOf({ rope_theta: undefined, rope_scaling: null });
  assert.equal(rope.frequencies, frequencies(10_000, () => 1));
});

test("Llama 3.2's frequencies are divided as in its GGUF's rope_freqs.weight", async () => {
  const scaling = {
    rope_type: "llama3",
    factor: 32,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 8192,
  };
  const { rope } = await configOf({ rope_theta: 500_000, rope_scaling: scaling });
  // This is transformers' formula, frequency by frequency and in the same order of operations.
  const wanted = Float32Array.from({ length: 32 }, (_, pair) => {
    const frequency = 1 / 500_000 ** (2 * pair / 64);
    const wave = 2 * Math.PI / frequency;
    if (wave < 8192 / 4) return 1;
    if (wave > 8192) return 32;
    const smooth = (8192 / wave - 1) / (4 - 1);
    return frequency / ((1 - smooth) * frequency / 32 + smooth * frequency);
  });
  const ropeFactors = frequencies(500_000, (pair) => rope.frequencies[pair]!);
  for (const [pair, factor] of wanted.entries()) assert.ok(Math.abs(ropeFactors[pair]! / factor - 1) < 1e-6);
  assert.equal([ropeFactors[0], ropeFactors[31]], [1, 32]);
  assert.is(ropeFactors.filter((factor) => factor > 1 && factor < 32).length, 3);
});

/** The folder with more tensors, which are zeros of the type F32; `dtype` is what the file's header says of them. */
function withTensors(...more: readonly [name: string, dtype: string, size: number][]): Files {
  const { tensors } = randomLlamaParts(MODEL);
  const file = safetensorsFile([
    ...tensors.map((tensor) => translate(tensor, MODEL.headSize)),
    ...more.map(([name, , size]): TensorEntry => (
      { name, shape: [size], type: "F32", bytes: new Uint8Array(size * 4) }
    )),
  ]);
  // All of these types' names have three letters, so that the header keeps its length.
  const text = new TextDecoder("latin1").decode(file);
  for (const [name, dtype] of more) {
    const at = text.indexOf("F32", text.indexOf(`"${name}"`));
    file.set(new TextEncoder().encode(dtype), at);
  }
  return { ...FOLDER, "model.safetensors": file };
}

test("tensors that no layer computes with are left out, as transformers leaves them out", async () => {
  const plain = await openModelFile(await write(FOLDER));
  const file = await openModelFile(
    await write(withTensors(
      ["model.embed_position_ids", "I64", 4],
      ["model.layers.0.self_attn.rotary_emb.inv_freq", "F32", 32],
      ["model.layers.1.self_attn.masked_bias", "I64", 1],
      ["model.layers.2.self_attn.q_proj.weight", "F32", 4],
      ["score.weight", "F32", 64],
    )),
  );
  assert.equal([...file.checkpoint.tensors.keys()], [...plain.checkpoint.tensors.keys()]);
  await Promise.all([plain.checkpoint.close(), file.checkpoint.close()]);
});

test("an lm_head that differs from a tied embedding is the output, as in transformers", async () => {
  assert.is((await configOf({ tie_word_embeddings: true })).tied, false);
});

test("what a config.json leaves out has the default of its family", async () => {
  const folder = changed("config.json", {
    head_dim: undefined,
    num_attention_heads: 3,
    hidden_size: 192,
    rms_norm_eps: undefined,
    max_position_embeddings: undefined,
    rope_theta: undefined,
    architectures: null,
  }, randomLlamaFolder({ ...MODEL, hidden: 192 }));
  for (
    const [model_type, contextLength, base, windows] of [
      ["llama", 2048, 10_000, [null, null]],
      ["mistral", 131_072, 10_000, [4096, 4096]],
      ["qwen2", 32_768, 10_000, [null, null]],
      ["smollm3", 32_768, 2_000_000, [null, null]],
    ] as const
  ) {
    const config = await configOf({ model_type }, folder);
    assert.equal([config.headSize, config.contextLength, config.windows], [64, contextLength, windows], model_type);
    assert.equal(config.rmsEpsilon, Math.fround(1e-6));
    assert.equal(config.rope.frequencies, frequencies(base, () => 1));
  }
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

test("named chat templates have GGUF's keys, whatever holds them", async () => {
  const templatesOf = async (files: Files, more: Readonly<Record<string, string>> = {}) => {
    const folder = await write(files);
    if (Object.keys(more).length > 0) await Deno.mkdir(`${folder}/additional_chat_templates`);
    for (const [name, text] of Object.entries(more)) {
      await Deno.writeTextFile(`${folder}/additional_chat_templates/${name}`, text);
    }
    const file = await openModelFile(folder);
    await file.checkpoint.close();
    const { metadata } = file.checkpoint;
    return ["", ".tool_use", ".rag"].map((name) => metadata.get(`tokenizer.chat_template${name}`));
  };
  const list = ["rag", "tool_use", "default"].map((name) => ({ name, template: `list ${name}` }));
  const listed = changed("tokenizer_config.json", { chat_template: list });
  assert.equal(await templatesOf(listed), ["list default", "list tool_use", undefined]);
  const onlyTools = changed("tokenizer_config.json", { chat_template: list.slice(1, 2) });
  assert.equal(await templatesOf(onlyTools), [undefined, "list tool_use", undefined]);
  // transformers takes no template from tokenizer_config.json where there are files of templates.
  const files = { ...listed, "chat_template.jinja": new TextEncoder().encode("file") };
  assert.equal(await templatesOf(files), ["file", undefined, undefined]);
  const more = { "tool_use.jinja": "tools", "rag.jinja": "rag", "notes.txt": "notes" };
  assert.equal(await templatesOf(files, more), ["file", "tools", undefined]);
  assert.equal(await templatesOf(listed, more), [undefined, "tools", undefined]);
  assert.equal(await templatesOf(files, { "default.jinja": "other" }), ["other", undefined, undefined]);
  for (const wrong of [[{ name: "default" }], [{ template: "x" }], 5, ["x"]]) {
    await assertRefused(
      async () => void await templatesOf(changed("tokenizer_config.json", { chat_template: wrong })),
      /"chat_template"/,
    );
  }
});

test("a folder and a GGUF make a pair, also where one has given a special token another name", async () => {
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
  const renamed = await openModelPair(gguf, await write(other));
  assert.is(renamed.draft!.lacking.size, 0);
  await Promise.all([renamed.verify.checkpoint.close(), renamed.draft!.checkpoint.close()]);
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
    /its architecture is "an object", its model_type .*, wanted one of /,
  ],
  [
    "another architecture",
    config({ architectures: ["Qwen2MoeForCausalLM"], model_type: "qwen2_moe" }),
    /its architecture is "Qwen2MoeForCausalLM", its model_type "qwen2_moe", wanted one of LlamaForCausalLM, Mistral/,
  ],
  [
    "another type",
    config({ model_type: "gemma2" }),
    /"LlamaForCausalLM", its model_type "gemma2", wanted.*; use a Llama/,
  ],
  ["another head", config({ architectures: ["LlamaForSequenceClassification"] }), /its architecture is "LlamaForSeq/],
  [
    "quantised",
    config({ quantization_config: { quant_method: "gptq" } }),
    /quantised \(quantization_config, "gptq"\), wanted F32, F16 or BF16; get the unquantised checkpoint, or a GGUF$/,
  ],
  [
    "a bias not asked for",
    withTensors(["model.layers.1.self_attn.q_proj.bias", "F32", 192]),
    /tensor "model\.layers\.1\.self_attn\.q_proj\.bias" is there, which its config\.json does not ask for; get/,
  ],
  [
    "a norm of another kind",
    withTensors(["model.layers.0.self_attn.q_norm.weight", "F32", 64]),
    /tensor "model\.layers\.0\.self_attn\.q_norm\.weight" is there, which/,
  ],
  ["a bias of the output", withTensors(["lm_head.bias", "F32", 301]), /tensor "lm_head\.bias" is there, which/],
  [
    "layers without end",
    config({ num_hidden_layers: 1e9 }),
    /"num_hidden_layers" is "1000000000", wanted 4096 at most/,
  ],
  [
    "heads without end",
    config({ head_dim: 1e15 }),
    /its heads have a size of 1000000000000000, wanted 256 at most; use/,
  ],
  ["another activation", config({ hidden_act: "gelu" }), /its hidden_act is "gelu", wanted "silu"; use/],
  ["no size", config({ hidden_size: undefined }), /"hidden_size" is missing, wanted a number; get or convert/],
  ["half a layer", config({ num_hidden_layers: 1.5 }), /"num_hidden_layers" is "1\.5", wanted a whole number of 1/],
  ["a layer more", config({ num_hidden_layers: 3 }), /tensor "blk\.2\.attn_norm\.weight" is missing/],
  ["another vocabulary", config({ vocab_size: 300 }), /"vocab_size" is "300", wanted 301 rows, as/],
  ["small heads", config({ head_dim: 16 }), /its heads have a size of 16, wanted a multiple of 16 from 32 to 256; use/],
  [
    "another scaling",
    config({ rope_scaling: { rope_type: "longrope", factor: 4 } }),
    /its RoPE scaling is "longrope", wanted "default", "linear", "dynamic", "llama3" or "yarn"; use/,
  ],
  [
    "a scaling for each kind of layer",
    config({ rope_parameters: { full_attention: { rope_type: "default", rope_theta: 10_000 } } }),
    /its RoPE has parameters for each kind of layer, wanted one for all; use/,
  ],
  [
    "a scaling of a part of each head",
    config({ partial_rotary_factor: 0.5, rope_scaling: { rope_type: "linear", factor: 4 } }),
    /its RoPE scaling is of a part of each head \(partial_rotary_factor 0\.5\), wanted of all of it; use/,
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
