// Damaged models: each seed changes one of some small models, the same way each time.

import { FORMATS, type TensorType } from "../../src/checkpoint/formats.ts";
import { isRecord } from "../../src/util/is-record.ts";
import { randomOf } from "../../src/util/random.ts";
import {
  ggufFile,
  type MetadataEntry,
  type RandomLlama,
  randomLlama,
  randomLlamaParts,
  type TensorEntry,
} from "../checkpoint/gguf-builder.ts";
import { type Files, randomLlamaFolder } from "../checkpoint/safetensors-builder.ts";
import { BYTE_TOKENS } from "../tokenizer/vocabularies.ts";

/** A mutant's files by their names; the model is the file "model.gguf", or the folder if there is none. */
export type MutantFiles = Record<string, Uint8Array<ArrayBuffer>>;

/** What a mutant was made of, for reports. */
export interface Mutant {
  readonly base: string;
  readonly files: MutantFiles;
}

const TEMPLATE =
  "{%- for m in messages %}{{ '<|' + m.role + '|>' }}{% if m.content is string %}{{ m.content | trim }}" +
  "{% endif %}{{ eos_token }}\n{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}";

const SHAPE: Omit<RandomLlama, "type"> = {
  layers: 1,
  hidden: 64,
  heads: 1,
  kvHeads: 1,
  headSize: 64,
  feedForward: 256,
  vocabulary: 300,
  tied: true,
  seed: 1,
  metadata: [["tokenizer.chat_template", "string", TEMPLATE]],
};

const PIECES = [..." etaoinshrdlu".replace(" ", "▁"), "▁t", "he", "▁the", "in", "▁in"];
const SENTENCE_PIECE: MetadataEntry[] = [
  ["tokenizer.ggml.model", "string", "llama"],
  ["tokenizer.ggml.tokens", "string[]", ["<unk>", "<s>", "</s>", ...BYTE_TOKENS, ...PIECES]],
  ["tokenizer.ggml.scores", "f32[]", [0, 0, 0, ...BYTE_TOKENS.map(() => 0), ...PIECES.map((_, i) => i)]],
  ["tokenizer.ggml.token_type", "i32[]", [2, 3, 3, ...BYTE_TOKENS.map(() => 6), ...PIECES.map(() => 1)]],
  ["tokenizer.ggml.bos_token_id", "u32", 1],
  ["tokenizer.ggml.eos_token_id", "u32", 2],
  ["tokenizer.chat_template", "string", TEMPLATE],
];

/** A model in each format of weights: the matrix whose rows are whole blocks of each format has it. */
const GGUFS: readonly (readonly [string, RandomLlama])[] = [
  ...(Object.keys(FORMATS) as TensorType[]).map((format): readonly [string, RandomLlama] => [
    format,
    {
      ...SHAPE,
      tokenizer: true,
      ropeFactors: format === "F16",
      type: (name) => name.includes("ffn_down") ? format : "Q4_0",
    },
  ]),
  ["SentencePiece", { ...SHAPE, vocabulary: 259 + PIECES.length, metadata: SENTENCE_PIECE, type: "Q4_0" }],
];
const FOLDERS: readonly (readonly [string, Files])[] = (["F32", "F16", "BF16"] as const).flatMap((type) =>
  [1, 2].map((shards) =>
    [
      `${type} in ${shards}`,
      randomLlamaFolder({ ...SHAPE, feedForward: 64, tied: shards === 1, type }, shards),
    ] as const
  )
);

const NONE = new Uint8Array();
const parts = GGUFS.map(([, options]) => randomLlamaParts(options));
const whole = GGUFS.map(([, options]) => randomLlama(options));
const headers = parts.map(({ metadata, tensors }) =>
  ggufFile(metadata, tensors.map((t) => ({ ...t, bytes: NONE }))).length
);
const utf8 = new TextEncoder();
const folders = FOLDERS.map(([, files]) =>
  Object.fromEntries(
    Object.entries(files).map(([name, content]) => [
      name,
      content instanceof Uint8Array ? new Uint8Array(content) : utf8.encode(JSON.stringify(content)),
    ]),
  )
);

/** Makes the mutant of a seed. */
export function mutantOf(seed: number): Mutant {
  const dice = new Dice(seed);
  if (dice.chance(0.6)) {
    const at = dice.below(GGUFS.length);
    const base = `GGUF ${GGUFS[at]![0]}`;
    const bytes = dice.chance(0.5) ? dice.damaged(whole[at]!, headers[at]!) : changedGguf(dice, parts[at]!);
    return { base, files: { "model.gguf": bytes } };
  }
  const at = dice.below(FOLDERS.length);
  const files: MutantFiles = { ...folders[at]! };
  for (let changes = 1 + dice.below(2); changes > 0; changes--) {
    const name = dice.of(Object.keys(files));
    const bytes = files[name]!;
    if (dice.chance(0.03)) delete files[name];
    else if (name.endsWith(".json") && dice.chance(0.7)) files[name] = changedJson(dice, bytes);
    else if (name.endsWith(".safetensors") && dice.chance(0.6)) files[name] = changedHeader(dice, bytes);
    else files[name] = dice.damaged(bytes, bytes.length);
    if (Object.keys(files).length === 0) break;
  }
  return { base: `folder ${FOLDERS[at]![0]}`, files };
}

/** A GGUF file with keys, values and tensors that are changed, left out, or there twice. */
function changedGguf(dice: Dice, { metadata, tensors }: { metadata: MetadataEntry[]; tensors: TensorEntry[] }) {
  const keys = [...metadata];
  const list = [...tensors];
  for (let changes = 1 + dice.below(3); changes > 0; changes--) {
    const at = dice.below(keys.length);
    const [key, type, value] = keys[at]!;
    const which = dice.below(8);
    if (which === 0) keys.splice(at, 1);
    else if (which === 1) keys[at] = [dice.text(key), type, value];
    else if (which <= 4) keys[at] = changedEntry(dice, keys[at]!);
    else if (which === 5) keys.push(changedEntry(dice, [`llama.${dice.of(KEYS)}`, "u32", 1]));
    else {
      const tensor = dice.below(list.length);
      const { name, shape, type: format, bytes, offset } = list[tensor]!;
      const change = dice.below(6);
      if (change === 0) list.splice(tensor, 1);
      else if (change === 1) list.push({ ...list[tensor]! });
      else {
        list[tensor] = {
          name: change === 2 ? dice.text(name) : name,
          shape: change === 3 ? shape.map((size) => dice.chance(0.5) ? dice.count() : size) : shape,
          type: change === 4 ? dice.below(45) : format,
          bytes,
          offset: change === 5 ? dice.count() : offset,
        };
      }
    }
  }
  return ggufFile(keys, list);
}

const KEYS = [
  "expert_count",
  "attention.sliding_window",
  "rope.scaling.type",
  "rope.scaling.factor",
  "rope.scale_linear",
  "rope.dimension_count",
  "vocab_size",
  "attention.causal",
  "logit_scale",
];

function changedEntry(dice: Dice, [key, type, value]: MetadataEntry): MetadataEntry {
  if (Array.isArray(value)) {
    const list = [...value];
    const which = dice.below(4);
    if (which === 0) list.length = dice.below(list.length + 1);
    else if (which === 1) list.push(...list.slice(0, dice.below(list.length + 1)));
    else if (which === 2) return [key, "u32", 1];
    for (let i = dice.below(5); i > 0 && list.length > 0; i--) {
      const at = dice.below(list.length);
      list[at] = typeof list[at] === "string" ? dice.text(list[at]) : dice.count();
    }
    return [key, type, list];
  }
  const which = dice.below(4);
  if (which === 0) return [key, "string", dice.text(String(value))];
  if (which === 1) return [key, "f32", dice.of([0, -1, NaN, Infinity, 1e-30, 1e30])];
  if (which === 2) return [key, "bool", dice.chance(0.5)];
  return typeof value === "string" ? [key, "string", dice.text(value)] : [key, "u32", dice.count()];
}

/** A safetensors file whose header's JSON is changed; the header's length is right, even where it wasn't before. */
function changedHeader(dice: Dice, file: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  if (file.length < 8) return file;
  const length = Math.min(new DataView(file.buffer).getUint32(0, true), file.length - 8);
  const header = changedJson(dice, file.slice(8, 8 + length));
  const out = new Uint8Array(8 + header.length + file.length - 8 - length);
  new DataView(out.buffer).setUint32(0, header.length, true);
  out.set(header, 8);
  out.set(file.subarray(8 + length), 8 + header.length);
  return out;
}

/** JSON with one to three values that are changed, left out, or there under another key. */
function changedJson(dice: Dice, bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  let root: unknown;
  try {
    root = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return dice.damaged(bytes, bytes.length);
  }
  for (let changes = 1 + dice.below(3); changes > 0; changes--) root = changedValue(dice, root);
  const text = JSON.stringify(root) ?? "";
  // What JSON.stringify never writes: a key twice, and lists within lists without end.
  if (dice.chance(0.02)) return utf8.encode(`${text.slice(0, -1)},${text.slice(1)}`);
  if (dice.chance(0.02)) return utf8.encode(text.replace(/:[^:,{}[\]]+/, `:${"[".repeat(500)}${"]".repeat(500)}`));
  return utf8.encode(text);
}

function changedValue(dice: Dice, value: unknown): unknown {
  if (!isRecord(value) && !Array.isArray(value) || dice.chance(0.06)) {
    return typeof value === "string" && dice.chance(0.6) ? dice.text(value) : dice.of(VALUES);
  }
  const keys = Object.keys(value);
  if (keys.length === 0) return dice.of(VALUES);
  const key = dice.of(keys);
  const copy = (Array.isArray(value) ? [...value] : { ...value }) as Record<string, unknown>;
  if (dice.chance(0.05)) delete copy[key];
  else if (dice.chance(0.04)) copy[dice.text(key)] = copy[dice.of(keys)];
  else copy[key] = changedValue(dice, copy[key]);
  return copy;
}

const VALUES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  1,
  -1,
  2,
  0.5,
  64,
  1e308,
  2 ** 31,
  2 ** 53,
  "",
  "x",
  "BPE",
  "Sequence",
  "two\nlines",
  "\ud800",
  "x".repeat(5000),
  [],
  {},
  [[]],
  [null],
  [1, "a"],
  { type: "Sequence" },
  { type: "Sequence", normalizers: [], pretokenizers: [], processors: [], decoders: [] },
  { type: "Split", pattern: { Regex: "(" }, behavior: "Isolated" },
  { type: "Split", pattern: { Regex: "(a+)+$" }, behavior: "Isolated" },
  { type: "Metaspace", replacement: "▁", prepend_scheme: "first" },
  { __proto__x: 1, constructor: 1, toString: 1 },
];

/** Pieces that a text gets: of templates, patterns and tokens. */
const PIECES_OF_TEXT = [
  "",
  "\n",
  "\0",
  "\ufffd",
  "{{",
  "}}",
  "{% for m in messages %}",
  "{% endfor %}",
  "{% for i in range(100000) %}{% for i in range(100000) %}x{% endfor %}{% endfor %}",
  "{{ messages[99].content }}",
  "{{ raise_exception('two\nlines') }}",
  "{{ 'x' * 1000000 }}",
  "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
  "(((((",
  "[^",
  "<|im_end|>",
  "e t",
  "🦙",
  "constructor",
  "__proto__",
  ".weight",
  "blk.1.",
];

/** Choices that a seed decides. */
class Dice {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = randomOf(Math.imul(seed, 0x9e3779b1));
  }

  chance(probability: number): boolean {
    return this.#random() < probability;
  }

  /** A whole number from 0 to `limit` - 1. */
  below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  of<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }

  /** A count as a header may have it: small, or the first too large for its bits. */
  count(): number {
    const limits = [0, 1, 2, 31, 32, 33, 64, 128, 255, 256, 300, 65_536, 2 ** 20, 2 ** 31, 2 ** 32 - 1];
    return this.chance(0.3) ? this.below(400) : this.of(limits);
  }

  /** A text with a piece that is put in, cut out, or there twice. */
  text(text: string): string {
    const [from, to] = [this.below(text.length + 1), this.below(text.length + 1)].sort((a, b) => a - b) as [
      number,
      number,
    ];
    const which = this.below(4);
    if (which === 0) return text.slice(0, from) + text.slice(to);
    if (which === 1) return text.slice(0, to) + text.slice(from);
    return text.slice(0, from) + this.of(PIECES_OF_TEXT) + text.slice(which === 2 ? from : to);
  }

  /** Bytes of which some, mostly among the first `header`, are others, left out, there twice, or cut off. */
  damaged(bytes: Uint8Array<ArrayBuffer>, header: number): Uint8Array<ArrayBuffer> {
    let out = bytes.slice();
    for (let changes = 1 + this.below(4); changes > 0 && out.length > 0; changes--) {
      const at = this.below(this.chance(0.9) ? Math.min(header, out.length) : out.length);
      const which = this.below(10);
      if (which < 4) out[at] = out[at]! ^ 1 << this.below(8);
      else if (which < 6) out[at] = this.of([0, 1, 127, 128, 255]);
      else if (which < 8) out.set(this.#wild().subarray(0, out.length - at), at);
      else if (which === 8) {
        const length = 1 + this.below(16);
        out = join(
          out.subarray(0, at),
          this.chance(0.5) ? out.subarray(at, at + length) : NONE,
          out.subarray(at + length),
        );
      } else if (this.chance(0.5)) out = out.slice(0, at);
    }
    return out;
  }

  #wild(): Uint8Array {
    const values = [0n, 1n, 255n, 65_536n, 2n ** 31n, 2n ** 32n, 2n ** 40n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n];
    return new Uint8Array(new BigUint64Array([this.of(values)]).buffer).subarray(0, this.of([4, 8]));
  }
}

function join(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
