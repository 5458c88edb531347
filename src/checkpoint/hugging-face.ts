import { blobSource, type ByteSource } from "../platform/byte-source.ts";
import { joinPath, listFolder, openFile } from "../platform/platform.ts";
import { decodeText } from "../util/decode-text.ts";
import { quote } from "../util/text.ts";
import { type Checkpoint, checkpointOf, type CheckpointTensor, readError } from "./checkpoint.ts";
import { type FolderConfig, readFolderConfig } from "./hugging-face-config.ts";
import { headSizes, interleaved } from "./interleave.ts";
import { JsonFile, type JsonLimits, readWhole, TOKENIZER_LIMITS } from "./json-file.ts";
import { readSafetensors, unsupportedError } from "./safetensors.ts";
import { tokenizerMetadata } from "./tokenizer-json.ts";

const INDEX = "model.safetensors.index.json";

/** The longest config.json or like file. They have some kB. */
const MAX_CONFIG_BYTES = 2 ** 20;
/**
 * The longest index, with a file's name for each tensor. That of a 405B model has 100 kB, those of mixtures some MB.
 */
const MAX_INDEX_BYTES = 2 ** 24;
/** The most tensors, as in a GGUF file. */
const MAX_TENSORS = 2 ** 16;
/** The longest tokenizer.json. Llama 3's has 9 to 17 MB, one with 262 144 tokens 33 MB. */
const MAX_TOKENIZER_BYTES = 2 ** 26;
/** The most tokens. XLM-V, the largest vocabulary there is, has 901 629. */
const MAX_VOCABULARY = 2 ** 20;

/** GGUF's names of tensors by Hugging Face's, without their ".weight". */
const TENSORS: Readonly<Record<string, string>> = {
  "model.embed_tokens": "token_embd",
  "model.norm": "output_norm",
  "lm_head": "output",
};
/** The same for the tensors of a layer, without "model.layers.N." or "blk.N." before them. */
const LAYER_TENSORS: Readonly<Record<string, string>> = {
  "input_layernorm": "attn_norm",
  "self_attn.q_proj": "attn_q",
  "self_attn.k_proj": "attn_k",
  "self_attn.v_proj": "attn_v",
  "self_attn.o_proj": "attn_output",
  "post_attention_layernorm": "ffn_norm",
  "mlp.gate_proj": "ffn_gate",
  "mlp.up_proj": "ffn_up",
  "mlp.down_proj": "ffn_down",
};
/** The same for the norms of Qwen3's heads. */
const HEAD_NORMS: Readonly<Record<string, string>> = {
  "self_attn.q_norm": "attn_q_norm",
  "self_attn.k_norm": "attn_k_norm",
};

/**
 * Opens a folder in Hugging Face's layout that has the files `names`. The checkpoint has the same keys and the same
 * tensors as a GGUF file of the model would have. Weights are not read yet. Rejects with an Error of one line where a
 * file is missing or damaged, or asks for something that doesn't run here.
 */
export async function openHuggingFace(folder: string, names: readonly string[]): Promise<Checkpoint> {
  if (!names.includes("config.json")) throw new Error(`Cannot open "${folder}": ${folderState(names)}`);
  const read = async (name: string, maxBytes = MAX_CONFIG_BYTES, limits?: JsonLimits) => {
    const source = await openFile(joinPath(folder, name));
    return await JsonFile.read(source, maxBytes, limits).finally(() => source.close());
  };
  const readIfThere = (name: string) => names.includes(name) ? read(name) : undefined;

  const config = await read("config.json");
  const folderConfig = readFolderConfig(config, folder);
  const { metadata } = folderConfig;
  const generation = await readIfThere("generation_config.json");
  const tokenizerConfig = await readIfThere("tokenizer_config.json");
  const tokenizer = await read("tokenizer.json", MAX_TOKENIZER_BYTES, TOKENIZER_LIMITS);
  const isWhole = names.includes("model.safetensors");
  if (!isWhole && !names.includes(INDEX)) {
    const torch = names.find((name) => /\.(bin|pth?|ckpt)$/.test(name));
    const state = torch === undefined ? "" : `, but ${quote(torch)}, which is PyTorch's`;
    throw new Error(
      `Cannot open "${folder}": it has no model.safetensors${state}; get the model's safetensors, or a GGUF`,
    );
  }
  const shards = isWhole ? { "model.safetensors": null } : readShards(await read(INDEX, MAX_INDEX_BYTES), names);

  const sources: ByteSource[] = [];
  const close = async () => void await Promise.all(sources.map((source) => source.close()));
  try {
    const found = new Map<string, CheckpointTensor>();
    for (const [file, wanted] of Object.entries(shards)) {
      const source = await openFile(joinPath(folder, file));
      sources.push(source);
      const { tensors, unsupported } = await readSafetensors(source);
      for (const name of wanted ?? [...tensors.keys(), ...unsupported.keys()]) {
        const [tensor, dtype] = [tensors.get(name), unsupported.get(name)];
        if (tensor) found.set(name, tensor);
        else if (dtype === undefined) throw missingError(source, name);
        else if (ggufName(name, folderConfig) !== null) throw unsupportedError(source.name, name, dtype);
      }
    }
    const tensors = translateTensors(config, folderConfig, found);
    const vocabulary = config.count("vocab_size");
    const rows = tensors.get("token_embd.weight")?.shape[1];
    if (rows !== vocabulary) {
      throw config.wrong("vocab_size", `${rows ?? "no"} rows, as "model.embed_tokens.weight" has`);
    }
    if (vocabulary > MAX_VOCABULARY) throw config.wrong("vocab_size", `${MAX_VOCABULARY} at most`);
    const tokens = tokenizerMetadata(tokenizer, {
      config: tokenizerConfig,
      bosId: idsOf(config, "bos_token_id")[0],
      eosIds: [generation, config].flatMap((file) => file ? idsOf(file, "eos_token_id") : []),
      vocabulary,
    });
    for (const [key, value] of tokens) metadata.set(key, value);
    const templates = await readTemplates(folder, names, tokenizerConfig, await readIfThere("chat_template.json"));
    for (const [key, template] of templates) metadata.set(key, template);
    return checkpointOf(folder, metadata, tensors, close);
  } catch (error) {
    await close();
    throw error;
  }
}

/** What is wrong with a folder without config.json, and what to do. */
function folderState(names: readonly string[]): string {
  const models = names.filter((name) => name.endsWith(".gguf")).sort();
  if (models.length > 0) return `it is a folder with GGUF files; give one of them: ${quote(models[0]!)}`;
  if (names.includes("snapshots") && names.includes("refs")) {
    return "it is a repository's folder in a hub's cache; give a folder in its snapshots, or the name on the hub";
  }
  return "it is a folder without config.json; give a GGUF file, or a folder with config.json, tokenizer.json and " +
    "model.safetensors";
}

/**
 * The tensors by GGUF's names, with their rows in GGUF's order. Throws an Error where one is there that the
 * config.json does not ask for and that would change what a layer computes. Others are left out, as transformers
 * leaves them out: buffers, heads for other tasks, layers behind the last.
 */
function translateTensors(
  file: JsonFile,
  config: FolderConfig,
  found: ReadonlyMap<string, CheckpointTensor>,
): ReadonlyMap<string, CheckpointTensor> {
  if (!config.tied && !found.has("lm_head.weight")) {
    throw file.error(
      'tensor "lm_head.weight" is missing, wanted as "tie_word_embeddings" is false; get or convert the model anew',
    );
  }
  const tensors = new Map<string, CheckpointTensor>();
  for (const [name, tensor] of found) {
    const renamed = ggufName(name, config);
    if (renamed !== null) tensors.set(renamed, { ...tensor, name: renamed });
    else if (isOfLayer(name, config.layers)) {
      throw file.error(
        `tensor ${quote(name)} is there, which its config.json does not ask for; get or convert the model anew`,
      );
    }
  }
  const { ropeFactors } = config;
  if (ropeFactors) {
    const name = "rope_freqs.weight";
    const source = blobSource(new Blob([ropeFactors]), file.name);
    tensors.set(name, { name, type: "F32", shape: [ropeFactors.length], source, offset: 0, bytes: source.size });
  }
  return interleaved(tensors, headSizes(config.metadata, `${config.metadata.get("general.architecture")}`));
}

/** GGUF's name of a tensor; `null` where the model that config.json describes has no such tensor. */
function ggufName(name: string, { layers, biases, headNorms }: FolderConfig): string | null {
  const [, layer, inLayer = "", ending] = /^(?:model\.layers\.(\d+)\.)?(.+)\.(weight|bias)$/.exec(name) ?? [];
  const known = layer === undefined ? TENSORS : { ...LAYER_TENSORS, ...headNorms && HEAD_NORMS };
  if (!Object.hasOwn(known, inLayer) || Number(layer) >= layers) return null;
  const common = `${known[inLayer]}.${ending}`;
  if (ending === "bias" && !(layer !== undefined && biases.includes(common))) return null;
  return layer === undefined ? common : `blk.${Number(layer)}.${common}`;
}

/** Whether a tensor of weights or biases belongs to what the model computes, by its name. */
function isOfLayer(name: string, layers: number): boolean {
  const [, layer] = /^model\.layers\.(\d+)\..*(weight|bias)$/.exec(name) ?? [];
  return layer !== undefined ? Number(layer) < layers : /^(model\.(embed_tokens|norm)|lm_head)\..*/.test(name);
}

function missingError({ name: file }: ByteSource, name: string): Error {
  return readError(file, `tensor ${quote(name)} is missing, which ${INDEX} says is there; download both again`);
}

/** The names of the tensors in each file, by the index. */
function readShards(index: JsonFile, names: readonly string[]): Record<string, string[]> {
  const map = index.object("weight_map");
  if (!map) throw index.wrong("weight_map", "an object");
  const count = Object.keys(map.values).length;
  if (count > MAX_TENSORS) {
    throw index.error(`it names ${count} tensors, at most ${MAX_TENSORS} are read; download it again`);
  }
  const shards: Record<string, string[]> = {};
  for (const [tensor, file] of Object.entries(map.values)) {
    if (typeof file !== "string") throw map.wrong(tensor, "a file's name");
    if (!names.includes(file)) {
      throw index.error(`it names ${quote(file)}, which is not in the folder; download all shards into one folder`);
    }
    if (Object.hasOwn(shards, file)) shards[file]!.push(tensor);
    else shards[file] = [tensor];
  }
  return shards;
}

/** The ids of tokens under a key: one, a list, or none. */
function idsOf(file: JsonFile, key: string): number[] {
  const value = file.values[key] ?? [];
  const ids: unknown[] = Array.isArray(value) ? value : [value];
  if (!ids.every((id): id is number => typeof id === "number" && Number.isInteger(id) && id >= 0)) {
    throw file.wrong(key, "a token's id or a list of them");
  }
  return ids;
}

/** The folder of the chat templates that have names of their own, NAME.jinja. */
const NAMED_TEMPLATES = "additional_chat_templates";

/** GGUF's keys of the chat templates, by the names of those that transformers takes without being asked for another. */
const TEMPLATE_KEYS: Readonly<Record<string, string>> = {
  default: "tokenizer.chat_template",
  tool_use: "tokenizer.chat_template.tool_use",
};

/**
 * The chat templates by their keys, as transformers finds them: from chat_template.jinja and the folder of named ones,
 * else from chat_template.json (`own`), else from tokenizer_config.json.
 */
async function readTemplates(
  folder: string,
  names: readonly string[],
  tokenizerConfig: JsonFile | undefined,
  own: JsonFile | undefined,
): Promise<(readonly [string, string])[]> {
  const files = new Map<string, string>();
  if (names.includes("chat_template.jinja")) files.set("default", "chat_template.jinja");
  const named = names.includes(NAMED_TEMPLATES) ? await listFolder(joinPath(folder, NAMED_TEMPLATES)) ?? [] : [];
  for (const file of named) {
    if (file.endsWith(".jinja")) files.set(file.slice(0, -".jinja".length), joinPath(NAMED_TEMPLATES, file));
  }
  if (files.size > 0) {
    const wanted = Object.entries(TEMPLATE_KEYS).filter(([name]) => files.has(name));
    return await Promise.all(
      wanted.map(async ([name, key]) => [key, await readTemplateFile(joinPath(folder, files.get(name)!))] as const),
    );
  }
  const file = own ?? tokenizerConfig;
  const template = file?.values.chat_template ?? undefined;
  if (!file || template === undefined) return [];
  if (typeof template === "string") return [[TEMPLATE_KEYS.default!, template]];
  return file.objects("chat_template").flatMap(({ values: { name, template } }) => {
    if (typeof name !== "string" || typeof template !== "string") {
      throw file.wrong("chat_template", 'a text, or a list of texts "template", each with its "name"');
    }
    const key = Object.hasOwn(TEMPLATE_KEYS, name) ? TEMPLATE_KEYS[name]! : undefined;
    return key === undefined ? [] : [[key, template] as const];
  });
}

async function readTemplateFile(path: string): Promise<string> {
  const source = await openFile(path);
  const bytes = await readWhole(source, MAX_CONFIG_BYTES).finally(() => source.close());
  try {
    return decodeText(bytes);
  } catch (cause) {
    throw readError(source.name, (cause as Error).message);
  }
}
