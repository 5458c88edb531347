import { quote } from "../util/text.ts";
import type { MetadataValue } from "./checkpoint.ts";
import { isRecord } from "../util/is-record.ts";
import { type JsonFile, type JsonObject, shown } from "./json-file.ts";
import { TOKEN_TYPES } from "./token-types.ts";

const { NORMAL, CONTROL, USER_DEFINED, UNUSED, BYTE } = TOKEN_TYPES;

/** The pattern by which the tokenizers of Llama 3 split text, letter for letter. */
const LLAMA3 =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" +
  "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

/**
 * The name in pre-tokenizers.ts of the pre-tokenizer that cuts as these steps do; `describeStep` describes each step.
 */
const PRE_TOKENIZERS: Readonly<Record<string, string>> = {
  "ByteLevel": "gpt-2",
  "Digits + ByteLevel": "smollm",
  [`Split ${LLAMA3} + ByteLevel without regex, merges ignored`]: "llama-bpe",
  [`Split ${LLAMA3} + ByteLevel without regex`]: "dbrx",
};

/** Facts about the tokens that begin and end a text, from other files than tokenizer.json. */
export interface TokenizerHints {
  /** The file tokenizer_config.json, if there is one. */
  readonly config: JsonFile | undefined;
  readonly bosId: number | undefined;
  readonly eosIds: readonly number[];
  /** The number of rows of the embedding. Ids below it without a token become unused tokens. */
  readonly vocabulary: number;
}

/**
 * Translates a tokenizer.json (Hugging Face's tokenizers) into the `tokenizer.ggml.*` keys that a GGUF file of the
 * model has. Throws an Error of one line where the file asks for something that the encoders of src/tokenizer don't do.
 */
export function tokenizerMetadata(file: JsonFile, hints: TokenizerHints): Map<string, MetadataValue> {
  const unsupported = (state: string) =>
    file.error(`its tokenizer ${state}; use a Llama, TinyLlama or SmolLM2 model, or a GGUF of this one`);
  const model = file.object("model");
  const kind = model?.values.type;
  if (!model || kind !== "BPE") throw unsupported(`is of kind ${shown(kind)}, wanted "BPE"`);
  for (const key of ["dropout", "continuing_subword_prefix", "end_of_word_suffix"]) {
    if (model.values[key]) throw unsupported(`has ${quote(key)}, wanted none`);
  }

  const { tokens, types, ids } = readTokens(file, model, hints.vocabulary);
  const metadata = new Map<string, MetadataValue>();
  const set = (key: string, value: MetadataValue | undefined) => {
    if (value !== undefined) metadata.set(`tokenizer.ggml.${key}`, value);
  };
  set("tokens", tokens);
  set("token_type", types);
  set("merges", readMerges(model, ids));

  const normalizers = steps(file, "normalizer", "normalizers");
  const preTokenizers = steps(file, "pre_tokenizer", "pretokenizers");
  if (model.boolean("byte_fallback", false)) {
    set("model", "llama");
    set("add_space_prefix", addsSpacePrefix(normalizers, preTokenizers, unsupported));
    tokens.forEach((token, id) => {
      if (types[id] === NORMAL && /^<0x[0-9A-F]{2}>$/.test(token)) types[id] = BYTE;
    });
    const normalized = file.objects("added_tokens").find(({ values }) => !values.special && values.normalized);
    if (normalized) {
      throw unsupported(`looks for ${shown(normalized.values.content)} in normalized text, wanted as it is`);
    }
    set("unknown_token_id", ids.get(String(model.values.unk_token)));
  } else {
    const [normalizer] = normalizers;
    if (normalizer) throw unsupported(`has the normalizer ${shown(normalizer.type)}, wanted none`);
    const ignored = model.boolean("ignore_merges", false) ? ", merges ignored" : "";
    const described = preTokenizers.map(describeStep).join(" + ") + ignored;
    const name = Object.hasOwn(PRE_TOKENIZERS, described) ? PRE_TOKENIZERS[described] : undefined;
    if (!name) throw unsupported(`has the pre-tokenizer ${quote(described)}, wanted one of Llama 3, SmolLM2, GPT-2`);
    set("model", "gpt2");
    set("pre", name);
  }

  const { config } = hints;
  const special = (key: string) => {
    const value = config?.values[key] ?? undefined;
    const text = isRecord(value) ? value.content : value;
    if (text === undefined) return undefined;
    const id = typeof text === "string" ? ids.get(text) : undefined;
    if (id === undefined) throw config!.wrong(key, "a token of tokenizer.json");
    return id;
  };
  const first = firstToken(steps(file, "post_processor", "processors"), unsupported);
  const firstId = first === undefined ? undefined : ids.get(first);
  if (first !== undefined && firstId === undefined) {
    throw unsupported(`begins texts with ${quote(first)}, which is no token`);
  }
  if (config?.boolean("add_eos_token", false)) throw unsupported('has "add_eos_token", wanted none');
  const bosId = special("bos_token") ?? hints.bosId ?? firstId;
  if (firstId !== undefined && firstId !== bosId) {
    throw unsupported(
      `begins texts with ${quote(first!)}, wanted the BOS token ${quote(tokens[bosId!] ?? `${bosId}`)}`,
    );
  }
  set("bos_token_id", bosId);
  set("add_bos_token", config?.boolean("add_bos_token", firstId !== undefined) ?? firstId !== undefined);
  set("eos_token_id", special("eos_token") ?? hints.eosIds[0]);
  set("eos_token_ids", Float64Array.from(hints.eosIds));
  return metadata;
}

function readTokens(file: JsonFile, model: JsonFile, vocabulary: number) {
  const entries = model.object("vocab");
  if (!entries) throw model.wrong("vocab", "an object");
  const tokens = new Array<string | undefined>(vocabulary).fill(undefined);
  const types = new Int32Array(vocabulary).fill(UNUSED);
  const ids = new Map<string, number>();
  const add = (token: unknown, id: unknown, type: number) => {
    const fits = typeof id === "number" && Number.isInteger(id) && id >= 0 && id < vocabulary;
    if (typeof token !== "string" || !fits) {
      throw file.error(
        `token ${shown(token)} has id ${shown(id)}, wanted a whole number below ${vocabulary}, the embedding's rows; ` +
          "get or convert the model anew",
      );
    }
    if ((tokens[id] ?? token) !== token || (ids.get(token) ?? id) !== id) {
      throw file.error(`token ${quote(token)} and id ${id} are there twice; get or convert the model anew`);
    }
    tokens[id] = token;
    types[id] = type;
    ids.set(token, id);
  };
  for (const [token, id] of Object.entries(entries.values)) add(token, id, NORMAL);
  for (const added of file.objects("added_tokens")) {
    const { content, id } = added.values;
    for (const key of ["lstrip", "rstrip", "single_word"]) {
      if (!added.boolean(key, false)) continue;
      throw file.error(`its added token ${shown(content)} has ${quote(key)}, wanted none; use a GGUF of the model`);
    }
    add(content, id, added.boolean("special", false) ? CONTROL : USER_DEFINED);
  }
  return { tokens: tokens.map((token, id) => token ?? `[PAD${id}]`), types, ids };
}

/** The merges as "left right". Older files write them so, newer ones as pairs. */
function readMerges(model: JsonFile, ids: ReadonlyMap<string, number>): string[] {
  const { merges } = model.values;
  if (!Array.isArray(merges)) throw model.wrong("merges", "an array");
  return merges.map((merge: unknown, index) => {
    const pair: unknown[] = typeof merge === "string" ? merge.split(" ") : Array.isArray(merge) ? merge : [];
    const [left, right] = pair;
    const fits = pair.length === 2 && typeof left === "string" && typeof right === "string" &&
      !left.includes(" ") && !right.includes(" ") && ids.has(left + right);
    if (!fits) {
      const what = typeof merge === "string" ? quote(merge) : shown(merge);
      throw model.error(`merge ${index} is ${what}, wanted two texts that make a token; get or convert the model anew`);
    }
    return `${left} ${right}`;
  });
}

/** The steps under `key`; a step of the type Sequence is replaced by its own steps, which it has under `list`. */
function steps(file: JsonFile, key: string, list: string): JsonObject[] {
  const flatten = (step: JsonFile): JsonObject[] =>
    step.values.type === "Sequence" ? step.objects(list).flatMap(flatten) : [step.values];
  const step = file.object(key);
  return step ? flatten(step) : [];
}

function describeStep(step: JsonObject): string {
  const { type, pattern } = step;
  if (type === "ByteLevel" && !step.add_prefix_space) {
    return step.use_regex === false ? "ByteLevel without regex" : type;
  }
  if (type === "Digits" && step.individual_digits === true) return type;
  if (type === "Split" && isRecord(pattern) && step.behavior === "Isolated" && !step.invert) {
    return `Split ${pattern.Regex}`;
  }
  return JSON.stringify(step);
}

/**
 * Whether SentencePiece puts a space before a text. Either a normalizer or a pre-tokenizer writes spaces as `▁`; any
 * other steps than these throw an Error.
 */
function addsSpacePrefix(
  normalizers: readonly JsonObject[],
  preTokenizers: readonly JsonObject[],
  unsupported: (state: string) => Error,
): boolean {
  const described = [...normalizers, ...preTokenizers].map((step) => {
    const { type, prepend, pattern, content, replacement, prepend_scheme: scheme } = step;
    if (type === "Prepend" && prepend === "▁") return "prefix";
    if (type === "Replace" && isRecord(pattern) && pattern.String === " " && content === "▁") return "spaces";
    // The scheme "always" puts no space before a text that begins with one, unlike the encoder here.
    const isPlain = type === "Metaspace" && replacement === "▁" && scheme === "never" && step.split === false;
    if (isPlain) return "spaces";
    return JSON.stringify(step);
  }).join(" + ");
  if (described !== "prefix + spaces" && described !== "spaces") {
    throw unsupported(`has the steps ${quote(described)}, wanted those of Llama 2`);
  }
  return described !== "spaces";
}

/** The text of the token that a post-processor puts before a text, if any. */
function firstToken(processors: readonly JsonObject[], unsupported: (state: string) => Error): string | undefined {
  const templates = processors.filter(({ type }) => type !== "ByteLevel");
  if (templates.length === 0) return undefined;
  const [{ type, single }] = templates as [JsonObject];
  if (templates.length > 1 || type !== "TemplateProcessing" || !Array.isArray(single)) {
    throw unsupported(`has the post-processor ${shown(type)}, wanted one "TemplateProcessing"`);
  }
  const parts = single.map((part: unknown) => isRecord(part) ? part : {});
  const before = parts.length === 2 ? parts[0]!.SpecialToken : undefined;
  if (!parts.at(-1)?.Sequence || (parts.length !== 1 && !isRecord(before))) {
    throw unsupported("has a template with more than a token before the text, wanted one or none");
  }
  return isRecord(before) ? String(before.id) : undefined;
}
