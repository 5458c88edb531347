import { blobSource } from "../../src/platform/byte-source.ts";
import { FORMATS, type TensorType } from "../../src/checkpoint/formats.ts";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { openGguf } from "../../src/checkpoint/gguf.ts";
import { TOKEN_TYPES } from "../../src/checkpoint/token-types.ts";
import type { ModelShape } from "../../src/plan/model-work.ts";
import { randomOf } from "../../src/util/random.ts";
import { quantize } from "../llama/quantize.ts";

const VALUE_TYPES = [
  "u8",
  "i8",
  "u16",
  "i16",
  "u32",
  "i32",
  "f32",
  "bool",
  "string",
  "array",
  "u64",
  "i64",
  "f64",
] as const;
type ValueType = Exclude<typeof VALUE_TYPES[number], "array">;
const VALUE_BYTES = { u8: 1, i8: 1, u16: 2, i16: 2, u32: 4, i32: 4, f32: 4, bool: 1, u64: 8, i64: 8, f64: 8 } as const;
type Scalar = number | bigint | boolean | string;

/** A key of a file's metadata. The value is an array where the type ends with `[]`. */
export type MetadataEntry = readonly [
  key: string,
  type: ValueType | `${ValueType}[]`,
  value: Scalar | readonly Scalar[],
];

/** A tensor of a file. */
export interface TensorEntry {
  readonly name: string;
  readonly shape: readonly number[];
  /** One of the types that run here, or any type by its number in ggml. */
  readonly type: TensorType | number;
  readonly bytes: Uint8Array;
  /** The offset that the file declares; default: the place where the bytes lie. */
  readonly offset?: number;
}

/** Writes a GGUF file, byte for byte. Nothing is checked, so that wrong files can be written too. */
export function ggufFile(
  metadata: readonly MetadataEntry[],
  tensors: readonly TensorEntry[],
  { version = 3, alignment = 32, magic = "GGUF", bigEndian = false } = {},
): Uint8Array<ArrayBuffer> {
  const out = new Writer(!bigEndian);
  for (const letter of magic) out.number("u8", letter.charCodeAt(0));
  out.number("u32", version);
  out.number("u64", tensors.length);
  out.number("u64", metadata.length);
  for (const [key, type, value] of metadata) {
    out.string(key);
    if (typeof value === "object") {
      const element = type.slice(0, -2) as ValueType;
      out.number("u32", VALUE_TYPES.indexOf("array"));
      out.number("u32", VALUE_TYPES.indexOf(element));
      out.number("u64", value.length);
      for (const one of value) out.value(element, one);
    } else {
      out.number("u32", VALUE_TYPES.indexOf(type as ValueType));
      out.value(type as ValueType, value);
    }
  }
  let end = 0;
  for (const { name, shape, type, bytes, offset } of tensors) {
    const start = Math.ceil(end / alignment) * alignment;
    out.string(name);
    out.number("u32", shape.length);
    for (const size of shape) out.number("u64", size);
    out.number("u32", typeof type === "number" ? type : FORMATS[type].id);
    out.number("u64", offset ?? start);
    end = start + bytes.length;
  }
  for (const { bytes } of tensors) {
    out.align(alignment);
    out.bytes(bytes);
  }
  return out.finish();
}

/** Opens the bytes of a GGUF file. */
export function openBytes(bytes: Uint8Array<ArrayBuffer>, name = "test.gguf"): Promise<Checkpoint> {
  return openGguf(blobSource(new Blob([bytes]), name));
}

/** The shape of a model with random weights, and what its file has. */
export interface RandomLlama extends ModelShape {
  /** The type of all matrices, or of each by its name ("blk.0.attn_q.weight"). Rows must be whole blocks. */
  readonly type: TensorType | ((name: string) => TensorType);
  readonly tied: boolean;
  readonly seed: number;
  /** Whether there is a tensor rope_freqs.weight, with factors from 1 at the first pair to 8 at the last. */
  readonly ropeFactors?: boolean;
  /** Whether there is a byte-level tokenizer, for which `vocabulary` must be at least 257. */
  readonly tokenizer?: boolean;
  /** Keys that replace those that are written by default, or come beside them. */
  readonly metadata?: readonly MetadataEntry[];
}

/** The tensors of a Llama by name, in the order of a file, with their sizes in ggml's order. */
export function llamaTensors(shape: ModelShape & { readonly tied: boolean }): { name: string; shape: number[] }[] {
  const { layers, hidden, heads, kvHeads, headSize, feedForward, vocabulary, tied } = shape;
  const ofLayer = (layer: number): [name: string, ...shape: number[]][] =>
    ([
      ["attn_norm", hidden],
      ["attn_q", hidden, heads * headSize],
      ["attn_k", hidden, kvHeads * headSize],
      ["attn_v", hidden, kvHeads * headSize],
      ["attn_output", heads * headSize, hidden],
      ["ffn_norm", hidden],
      ["ffn_gate", hidden, feedForward],
      ["ffn_up", hidden, feedForward],
      ["ffn_down", feedForward, hidden],
    ] as const).map(([name, ...shape]) => [`blk.${layer}.${name}`, ...shape]);
  const tensors: [name: string, ...shape: number[]][] = [
    ["token_embd", hidden, vocabulary],
    ...Array.from({ length: layers }, (_, layer) => ofLayer(layer)).flat(),
    ["output_norm", hidden],
    ...tied ? [] : [["output", hidden, vocabulary] as [string, number, number]],
  ];
  return tensors.map(([name, ...shape]) => ({ name: `${name}.weight`, shape }));
}

/** The metadata of a Llama; `extra` replaces keys or comes beside them. */
export function llamaMetadata(
  shape: ModelShape,
  name: string,
  tokenizer: boolean,
  extra: readonly MetadataEntry[] = [],
): MetadataEntry[] {
  const { layers, hidden, heads, kvHeads, headSize, feedForward, vocabulary } = shape;
  const defaults: MetadataEntry[] = [
    ["general.architecture", "string", "llama"],
    ["general.name", "string", name],
    ["llama.block_count", "u32", layers],
    ["llama.context_length", "u32", 2048],
    ["llama.embedding_length", "u32", hidden],
    ["llama.feed_forward_length", "u32", feedForward],
    ["llama.attention.head_count", "u32", heads],
    ["llama.attention.head_count_kv", "u32", kvHeads],
    ["llama.attention.key_length", "u32", headSize],
    ["llama.attention.value_length", "u32", headSize],
    ["llama.attention.layer_norm_rms_epsilon", "f32", 1e-5],
    ["llama.rope.freq_base", "f32", 10_000],
    ...tokenizer ? byteLevelTokenizer(vocabulary) : [],
  ];
  return [...defaults.filter(([key]) => extra.every(([other]) => other !== key)), ...extra];
}

/** The metadata and the tensors of a model with random weights. Equal options give equal weights. */
export function randomLlamaParts(options: RandomLlama): { metadata: MetadataEntry[]; tensors: TensorEntry[] } {
  const { headSize, type, seed } = options;
  const random = normals(seed);
  const tensors: TensorEntry[] = [];
  const add = (name: string, shape: number[], type: TensorType, value: (index: number) => number) => {
    const values = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, index) => value(index));
    tensors.push({ name, shape, type, bytes: quantize(type, values) });
  };
  for (const { name, shape } of llamaTensors(options)) {
    if (shape.length === 1) add(name, shape, "F32", () => 1 + 0.2 * random());
    else {
      const spread = name === "token_embd.weight" ? 0.5 : 1 / Math.sqrt(shape[0]!);
      add(name, shape, typeof type === "string" ? type : type(name), () => random() * spread);
    }
  }
  const pairs = headSize / 2;
  if (options.ropeFactors) add("rope_freqs.weight", [pairs], "F32", (pair) => 1 + 7 * pair / (pairs - 1));
  return { metadata: llamaMetadata(options, `random ${seed}`, options.tokenizer ?? false, options.metadata), tensors };
}

/** The GGUF file of a model with random weights. Equal options give equal files. */
export function randomLlama(options: RandomLlama): Uint8Array<ArrayBuffer> {
  const { metadata, tensors } = randomLlamaParts(options);
  return ggufFile(metadata, tensors);
}

/** The letters in which GPT-2's vocabulary writes the 256 bytes: "Ġ" is byte 32, "Ċ" byte 10. */
export const BYTE_LETTERS: readonly string[] = (() => {
  const isPrintable = (byte: number) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
  let spares = 0;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPrintable(byte) ? byte : 256 + spares++));
})();
const { NORMAL, UNUSED, CONTROL } = TOKEN_TYPES;

/**
 * A byte-level tokenizer: the letters of the bytes, then merges of two small letters, then unused tokens, and as the
 * last token `<|endoftext|>`, which is both BOS and EOS.
 */
function byteLevelTokenizer(vocabulary: number): MetadataEntry[] {
  const tokens = [...BYTE_LETTERS];
  const types: number[] = tokens.map(() => NORMAL);
  const merges: string[] = [];
  const letters = "etaoinshrdlucmfwypvbgkjqxz";
  for (let i = 0; tokens.length < vocabulary - 1; i++) {
    const pair = i < 26 * 26 ? [letters[Math.floor(i / 26)]!, letters[i % 26]!] : null;
    tokens.push(pair ? pair.join("") : `[PAD${i}]`);
    types.push(pair ? NORMAL : UNUSED);
    if (pair) merges.push(pair.join(" "));
  }
  tokens.push("<|endoftext|>");
  types.push(CONTROL);
  return [
    ["tokenizer.ggml.model", "string", "gpt2"],
    ["tokenizer.ggml.pre", "string", "gpt-2"],
    ["tokenizer.ggml.tokens", "string[]", tokens],
    ["tokenizer.ggml.token_type", "i32[]", types],
    ["tokenizer.ggml.merges", "string[]", merges],
    ["tokenizer.ggml.bos_token_id", "u32", vocabulary - 1],
    ["tokenizer.ggml.eos_token_id", "u32", vocabulary - 1],
    ["tokenizer.ggml.add_bos_token", "bool", false],
  ];
}

/** A generator of standard normal numbers (Box and Muller). */
function normals(seed: number): () => number {
  const uniform = randomOf(seed);
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

/** Writes values behind each other into bytes that grow. */
class Writer {
  readonly #littleEndian: boolean;
  #view = new DataView(new ArrayBuffer(1024));
  #length = 0;

  constructor(littleEndian: boolean) {
    this.#littleEndian = littleEndian;
  }

  value(type: ValueType, value: Scalar): void {
    if (type === "string") this.string(String(value));
    else this.number(type, typeof value === "bigint" ? value : Number(value));
  }

  string(text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.number("u64", bytes.length);
    this.bytes(bytes);
  }

  bytes(bytes: Uint8Array): void {
    const at = this.#grow(bytes.length);
    new Uint8Array(this.#view.buffer).set(bytes, at);
  }

  align(alignment: number): void {
    this.#grow((alignment - this.#length % alignment) % alignment);
  }

  number(type: Exclude<ValueType, "string">, value: number | bigint): void {
    const at = this.#grow(VALUE_BYTES[type]);
    const view = this.#view;
    const little = this.#littleEndian;
    const n = Number(value);
    if (type === "u8" || type === "bool") view.setUint8(at, n);
    else if (type === "i8") view.setInt8(at, n);
    else if (type === "u16") view.setUint16(at, n, little);
    else if (type === "i16") view.setInt16(at, n, little);
    else if (type === "u32") view.setUint32(at, n, little);
    else if (type === "i32") view.setInt32(at, n, little);
    else if (type === "f32") view.setFloat32(at, n, little);
    else if (type === "f64") view.setFloat64(at, n, little);
    else view.setBigInt64(at, BigInt(value), little);
  }

  finish(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#view.buffer.slice(0, this.#length));
  }

  /** Makes room for more bytes, and returns the offset at which they begin. */
  #grow(bytes: number): number {
    const at = this.#length;
    this.#length += bytes;
    if (this.#length > this.#view.byteLength) {
      const larger = new Uint8Array(this.#length * 2);
      larger.set(new Uint8Array(this.#view.buffer));
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }
}
