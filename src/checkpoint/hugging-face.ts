import { blobSource, type ByteSource } from "../platform/byte-source.ts";
import { joinPath, openFile } from "../platform/platform.ts";
import { decodeText } from "../util/decode-text.ts";
import { quote } from "../util/text.ts";
import { type Checkpoint, checkpointOf, type CheckpointTensor, type MetadataValue, readError } from "./checkpoint.ts";
import { JsonFile, type JsonLimits, readWhole, shown, TOKENIZER_LIMITS } from "./json-file.ts";
import { readSafetensors } from "./safetensors.ts";
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
  const metadata = configMetadata(config, folder);
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
      const tensors = await readSafetensors(source);
      for (const name of wanted ?? tensors.keys()) {
        const tensor = tensors.get(name);
        if (tensor) found.set(name, tensor);
        else {
          throw readError(
            source.name,
            `tensor ${quote(name)} is missing, which ${INDEX} says is there; download both again`,
          );
        }
      }
    }
    const tensors = translateTensors(config, found);
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
    const template = await readTemplate(folder, names, tokenizerConfig, await readIfThere("chat_template.json"));
    if (template !== undefined) metadata.set("tokenizer.chat_template", template);
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

/** The `llama.*` keys of a config.json. */
function configMetadata(config: JsonFile, folder: string): Map<string, MetadataValue> {
  const { values } = config;
  const unsupported = (state: string) => config.error(`${state}; use a Llama, TinyLlama or SmolLM2 model`);
  const architectures = values.architectures ?? ["LlamaForCausalLM"];
  if (!Array.isArray(architectures) || architectures.length !== 1 || architectures[0] !== "LlamaForCausalLM") {
    const found = shown(Array.isArray(architectures) && architectures.length === 1 ? architectures[0] : architectures);
    throw unsupported(`its architecture is ${found}, wanted "LlamaForCausalLM"`);
  }
  if (values.model_type !== "llama") throw unsupported(`its model_type is ${shown(values.model_type)}, wanted "llama"`);
  const quantization = config.object("quantization_config") ?? config.object("compression_config");
  if (quantization) {
    const method = shown(quantization.values.quant_method);
    throw config.error(
      `it is quantised (quantization_config, ${method}), wanted F32, F16 or BF16; ` +
        "get the unquantised checkpoint, or a GGUF",
    );
  }
  for (const key of ["attention_bias", "mlp_bias"]) {
    if (config.boolean(key, false)) throw unsupported(`it has biases (${key}), wanted none`);
  }
  const activation = values.hidden_act ?? "silu";
  if (activation !== "silu") throw unsupported(`its hidden_act is ${shown(activation)}, wanted "silu"`);
  const partial = config.number("partial_rotary_factor", 1);
  if (partial !== 1) throw unsupported(`its partial_rotary_factor is ${partial}, wanted 1`);

  const hidden = config.count("hidden_size");
  const heads = config.count("num_attention_heads");
  const headSize = config.count("head_dim", hidden / heads);
  if (headSize !== 64 && headSize !== 128) throw unsupported(`its heads have a size of ${headSize}, wanted 64 or 128`);
  const { base, scale } = ropeOf(config);
  return new Map<string, MetadataValue>([
    ["general.architecture", "llama"],
    ["general.name", folder.split(/[/\\]/).findLast((part) => part !== "") ?? folder],
    ["llama.block_count", config.count("num_hidden_layers")],
    ["llama.context_length", config.count("max_position_embeddings", 2048)],
    ["llama.embedding_length", hidden],
    ["llama.feed_forward_length", config.count("intermediate_size")],
    ["llama.attention.head_count", heads],
    ["llama.attention.head_count_kv", config.count("num_key_value_heads", heads)],
    ["llama.attention.key_length", headSize],
    ["llama.attention.value_length", headSize],
    // A GGUF file has these as float32.
    ["llama.attention.layer_norm_rms_epsilon", Math.fround(config.number("rms_norm_eps", 1e-6))],
    ["llama.rope.freq_base", Math.fround(base)],
    ["llama.rope.scaling.factor", Math.fround(scale)],
  ]);
}

/**
 * RoPE's base and linear scale, and whether Llama 3's factors divide its frequencies: `rope` has the figures for them.
 */
function ropeOf(config: JsonFile): { base: number; scale: number; factors: "llama3" | null; rope: JsonFile } {
  // transformers 5 writes rope_parameters, with the base in it, where older versions write rope_scaling and rope_theta.
  const rope = config.object("rope_parameters") ?? config.object("rope_scaling") ?? new JsonFile(config.name, {});
  const base = "rope_theta" in rope.values ? rope.number("rope_theta") : config.number("rope_theta", 10_000);
  const type = rope.values.rope_type ?? rope.values.type ?? "default";
  if (type === "default") return { base, scale: 1, factors: null, rope };
  if (type === "linear") return { base, scale: rope.number("factor"), factors: null, rope };
  if (type === "llama3") return { base, scale: 1, factors: "llama3", rope };
  throw config.error(
    `its RoPE scaling is ${shown(type)}, wanted "default", "linear" or "llama3"; use another model of the Llama family`,
  );
}

/**
 * Llama 3's factors, by which RoPE's frequencies are divided, for each pair of a head. Long waves get `factor`, short
 * ones 1, and those between have a smooth passage. The formula is that of transformers' modeling_rope_utils.py and
 * llama.cpp's convert_hf_to_gguf.py.
 */
function llama3Factors(rope: JsonFile, base: number, headSize: number): Float32Array<ArrayBuffer> {
  const factor = rope.number("factor");
  const low = rope.number("low_freq_factor");
  const high = rope.number("high_freq_factor");
  const context = rope.count("original_max_position_embeddings");
  if (!(factor >= 1)) throw rope.wrong("factor", "1 or more");
  if (!(low > 0 && low < high)) throw rope.wrong("low_freq_factor", `more than 0 and less than ${high}`);
  return Float32Array.from({ length: headSize / 2 }, (_, pair) => {
    const turns = context / (2 * Math.PI * base ** (2 * pair / headSize));
    if (turns > high) return 1;
    if (turns < low) return factor;
    const smooth = (turns - low) / (high - low);
    return 1 / ((1 - smooth) / factor + smooth);
  });
}

/**
 * The tensors by GGUF's names, with their rows in GGUF's order. A tensor that GGUF has no name for keeps its own, and
 * is refused later.
 */
function translateTensors(
  config: JsonFile,
  found: ReadonlyMap<string, CheckpointTensor>,
): Map<string, CheckpointTensor> {
  const tied = config.boolean("tie_word_embeddings", false);
  if (!tied && !found.has("lm_head.weight")) {
    throw config.error(
      'tensor "lm_head.weight" is missing, wanted as "tie_word_embeddings" is false; get or convert the model anew',
    );
  }
  const hidden = config.count("hidden_size");
  const headSize = config.count("head_dim", hidden / config.count("num_attention_heads"));
  const tensors = new Map<string, CheckpointTensor>();
  for (const [name, tensor] of found) {
    // Old checkpoints have RoPE's frequencies, which follow from config.json. Tied ones may have the embedding twice.
    if (name.endsWith(".rotary_emb.inv_freq") || (tied && name === "lm_head.weight")) continue;
    const [, layer, inLayer = name, ending] = /^(?:model\.layers\.(\d+)\.)?(.+)\.(weight|bias)$/.exec(name) ?? [];
    const known = layer === undefined ? TENSORS : LAYER_TENSORS;
    const common = Object.hasOwn(known, inLayer) ? known[inLayer]! : undefined;
    const renamed = common === undefined
      ? name
      : layer === undefined
      ? `${common}.${ending}`
      : `blk.${layer}.${common}.${ending}`;
    const isHalfSplit = common === "attn_q" || common === "attn_k";
    tensors.set(renamed, { ...tensor, ...isHalfSplit && interleaved(tensor, headSize), name: renamed });
  }
  const { base, factors, rope } = ropeOf(config);
  if (factors) {
    const name = "rope_freqs.weight";
    const source = blobSource(new Blob([llama3Factors(rope, base, headSize)]), config.name);
    tensors.set(name, { name, type: "F32", shape: [headSize / 2], source, offset: 0, bytes: source.size });
  }
  return tensors;
}

/**
 * The source from which a tensor of Q or K is read in GGUF's order of rows, and the tensor's offset in that source. In
 * GGUF's order RoPE turns rows 2i and 2i + 1 of a head together, in Hugging Face's order rows i and i + headSize / 2. A
 * tensor that isn't a number of whole heads stays as it is, and is refused later.
 */
function interleaved(tensor: CheckpointTensor, headSize: number): { source: ByteSource; offset: number } {
  const { source, offset: start, bytes: size } = tensor;
  const rows = tensor.shape[1] ?? 1;
  if (rows % headSize !== 0) return { source, offset: start };
  const rowBytes = size / rows;
  const headBytes = rowBytes * headSize;
  return {
    offset: 0,
    source: {
      name: source.name,
      size,
      async read(offset, length) {
        const from = Math.floor(offset / headBytes) * headBytes;
        const to = Math.ceil((offset + length) / headBytes) * headBytes;
        const heads = await source.read(start + from, to - from);
        const turned = new Uint8Array(heads.length);
        for (let row = 0; row < heads.length / rowBytes; row++) {
          const inHead = row % headSize;
          const split = row - inHead + inHead % 2 * (headSize / 2) + Math.floor(inHead / 2);
          turned.set(heads.subarray(split * rowBytes, (split + 1) * rowBytes), row * rowBytes);
        }
        return turned.subarray(offset - from, offset - from + length);
      },
      close: async () => {},
    },
  };
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

/** The chat template from the first of chat_template.jinja, chat_template.json (`own`) and tokenizer_config.json. */
async function readTemplate(
  folder: string,
  names: readonly string[],
  tokenizerConfig: JsonFile | undefined,
  own: JsonFile | undefined,
): Promise<string | undefined> {
  if (names.includes("chat_template.jinja")) {
    const source = await openFile(joinPath(folder, "chat_template.jinja"));
    const bytes = await readWhole(source, MAX_CONFIG_BYTES).finally(() => source.close());
    try {
      return decodeText(bytes);
    } catch (cause) {
      throw readError(source.name, (cause as Error).message);
    }
  }
  const file = own ?? tokenizerConfig;
  const template = file?.values.chat_template ?? undefined;
  if (!file || template === undefined) return undefined;
  if (typeof template === "string") return template;
  const named = file.objects("chat_template").find(({ values }) => values.name === "default")?.values.template;
  if (typeof named !== "string") throw file.wrong("chat_template", 'a text, or a list with one named "default"');
  return named;
}
