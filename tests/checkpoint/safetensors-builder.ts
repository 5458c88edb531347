import type { TensorType } from "../../src/checkpoint/formats.ts";
import { type MetadataEntry, type RandomLlama, randomLlamaParts, type TensorEntry } from "./gguf-builder.ts";

/** Writes a safetensors file, byte for byte. Shapes are given in ggml's order. `header` replaces the header's text. */
export function safetensorsFile(tensors: readonly TensorEntry[], header?: string): Uint8Array<ArrayBuffer> {
  const entries: Record<string, unknown> = { __metadata__: { format: "pt" } };
  let end = 0;
  for (const { name, shape, type, bytes } of tensors) {
    entries[name] = { dtype: type, shape: shape.toReversed(), data_offsets: [end, end += bytes.length] };
  }
  const text = new TextEncoder().encode(header ?? JSON.stringify(entries));
  const file = new Uint8Array(8 + text.length + end);
  new DataView(file.buffer).setBigUint64(0, BigInt(text.length), true);
  file.set(text, 8);
  let at = 8 + text.length;
  for (const { bytes } of tensors) {
    file.set(bytes, at);
    at += bytes.length;
  }
  return file;
}

/** The files of a folder by their names. A value is the file's bytes, or anything else that is written as JSON. */
export type Files = Readonly<Record<string, unknown>>;

/** The files in which transformers saves the model of `randomLlama(options)`, with the weights in `shards` files. */
export function randomLlamaFolder(options: RandomLlama, shards = 1): Files {
  const { metadata, tensors } = randomLlamaParts({ tokenizer: true, ...options });
  const files: Record<string, unknown> = { ...tokenizerFiles(metadata) };
  files["config.json"] = {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    hidden_size: options.hidden,
    intermediate_size: options.feedForward,
    num_hidden_layers: options.layers,
    num_attention_heads: options.heads,
    num_key_value_heads: options.kvHeads,
    head_dim: options.headSize,
    max_position_embeddings: 2048,
    rms_norm_eps: 1e-5,
    rope_theta: 10_000,
    tie_word_embeddings: options.tied,
    vocab_size: options.vocabulary,
    torch_dtype: "float16",
  };
  const translated = tensors.filter(({ name }) => name !== "rope_freqs.weight")
    .map((tensor) => translate(tensor, options.headSize));
  if (shards === 1) return { ...files, "model.safetensors": safetensorsFile(translated) };
  const map: Record<string, string> = {};
  for (let shard = 0; shard < shards; shard++) {
    const name = `model-0000${shard + 1}-of-0000${shards}.safetensors`;
    const own = translated.filter((_, i) => i % shards === shard);
    for (const tensor of own) map[tensor.name] = name;
    files[name] = safetensorsFile(own);
  }
  return { ...files, "model.safetensors.index.json": { metadata: {}, weight_map: map } };
}

/** Makes `folder` and writes these files into it. */
export async function writeFolder(folder: string, files: Files): Promise<string> {
  await Deno.mkdir(folder);
  for (const [name, bytes] of Object.entries(bytesOf(files))) await Deno.writeFile(`${folder}/${name}`, bytes);
  return folder;
}

/** The bytes of the files. */
export function bytesOf(files: Files): Record<string, Uint8Array> {
  return Object.fromEntries(
    Object.entries(files).map(([name, content]) => [
      name,
      content instanceof Uint8Array ? content : new TextEncoder().encode(JSON.stringify(content)),
    ]),
  );
}

/** The files tokenizer.json and tokenizer_config.json for the byte-level tokenizer of a GGUF file's metadata. */
export function tokenizerFiles(metadata: readonly MetadataEntry[]): Files {
  const values = new Map(metadata.map(([key, , value]) => [key, value]));
  const of = <T>(key: string) => values.get(`tokenizer.ggml.${key}`) as T;
  const tokens = of<readonly string[]>("tokens");
  const types = of<ArrayLike<number>>("token_type");
  const ids = tokens.map((content, id) => ({ id, content, type: types[id] }));
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
  const digits = { type: "Digits", individual_digits: true };
  return {
    "tokenizer.json": {
      version: "1.0",
      added_tokens: ids.filter(({ type }) => type === 3 || type === 4).map(({ id, content, type }) => ({
        id,
        content,
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: type === 3,
      })),
      normalizer: null,
      pre_tokenizer: of("pre") === "smollm" ? { type: "Sequence", pretokenizers: [digits, byteLevel] } : byteLevel,
      post_processor: null,
      decoder: byteLevel,
      model: {
        type: "BPE",
        dropout: null,
        unk_token: null,
        byte_fallback: false,
        vocab: Object.fromEntries(ids.filter(({ type }) => type !== 5).map(({ id, content }) => [content, id])),
        merges: of("merges"),
      },
    },
    "tokenizer_config.json": {
      bos_token: tokens[of<number>("bos_token_id")],
      eos_token: { content: tokens[of<number>("eos_token_id")], special: true },
      add_bos_token: of("add_bos_token"),
      chat_template: values.get("tokenizer.chat_template"),
    },
  };
}

const NAMES: Readonly<Record<string, string>> = {
  "token_embd": "model.embed_tokens",
  "output_norm": "model.norm",
  "output": "lm_head",
  "attn_norm": "input_layernorm",
  "attn_q": "self_attn.q_proj",
  "attn_k": "self_attn.k_proj",
  "attn_v": "self_attn.v_proj",
  "attn_output": "self_attn.o_proj",
  "ffn_norm": "post_attention_layernorm",
  "ffn_gate": "mlp.gate_proj",
  "ffn_up": "mlp.up_proj",
  "ffn_down": "mlp.down_proj",
};

/**
 * A GGUF file's tensor under Hugging Face's name. Q and K get the order of rows of Hugging Face: the even rows of each
 * head come first, then the odd ones.
 */
export function translate(tensor: TensorEntry & { readonly type: TensorType | number }, headSize: number): TensorEntry {
  const [, block, name] = /^(?:blk\.(\d+)\.)?(.+)\.weight$/.exec(tensor.name)!;
  const prefix = block === undefined ? "" : `model.layers.${block}.`;
  const renamed = `${prefix}${NAMES[name!]}.weight`;
  if (name !== "attn_q" && name !== "attn_k") return { ...tensor, name: renamed };
  const rows = tensor.shape[1]!;
  const rowBytes = tensor.bytes.length / rows;
  const order: number[] = [];
  for (let head = 0; head < rows; head += headSize) {
    for (const first of [0, 1]) for (let row = first; row < headSize; row += 2) order.push(head + row);
  }
  const bytes = new Uint8Array(tensor.bytes.length);
  order.forEach((row, i) => bytes.set(tensor.bytes.subarray(row * rowBytes, (row + 1) * rowBytes), i * rowBytes));
  return { ...tensor, name: renamed, bytes };
}
