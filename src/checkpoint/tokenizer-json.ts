import { quote } from "../util/text.ts";
import type { MetadataValue } from "./checkpoint.ts";
import { isRecord } from "../util/is-record.ts";
import { type JsonFile, type JsonObject, shown } from "./json-file.ts";
import { MAX_ADDED_CHARACTERS, TOKEN_TYPES } from "./token-types.ts";

const { NORMAL, CONTROL, USER_DEFINED, UNUSED, BYTE } = TOKEN_TYPES;

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
 * model has, and `tokenizer.huggingface.*` keys with what no GGUF file has, as JSON: its steps and its added tokens.
 * Throws an Error of one line where the file asks for something that the encoders of src/tokenizer don't do.
 */
export function tokenizerMetadata(file: JsonFile, hints: TokenizerHints): Map<string, MetadataValue> {
  const unsupported = (state: string) => file.error(`its tokenizer ${state}; use a GGUF of the model`);
  const model = file.object("model");
  // Files of 2020 don't say of which kind a model with merges is.
  const kind = model?.values.type ?? (model?.values.merges ? "BPE" : undefined);
  if (!model || kind !== "BPE") throw unsupported(`is of kind ${shown(kind)}, wanted "BPE"`);
  for (const key of ["dropout", "continuing_subword_prefix", "end_of_word_suffix"]) {
    if (model.values[key]) throw unsupported(`has ${quote(key)}, wanted none`);
  }

  const { tokens, types, ids, added } = readTokens(file, model, hints.vocabulary);
  const metadata = new Map<string, MetadataValue>();
  const set = (key: string, value: MetadataValue | undefined) => {
    if (value !== undefined) metadata.set(`tokenizer.ggml.${key}`, value);
  };
  const setJson = (key: string, values: readonly JsonObject[]) => {
    metadata.set(`tokenizer.huggingface.${key}`, JSON.stringify(values));
  };
  const normalizers = steps(file, "normalizer", "normalizers");
  const preTokenizers = steps(file, "pre_tokenizer", "pretokenizers");
  const { ignore_merges, byte_fallback, fuse_unk, unk_token } = model.values;
  set("model", [...normalizers, ...preTokenizers].some(({ type }) => type === "ByteLevel") ? "gpt2" : "llama");
  set("tokens", tokens);
  set("token_type", types);
  set("merges", readMerges(model, ids));
  set("unknown_token_id", typeof unk_token === "string" ? ids.get(unk_token)?.id : undefined);
  setJson("model", [{ ignore_merges, byte_fallback, fuse_unk }]);
  setJson("normalizer", normalizers);
  setJson("pre_tokenizer", preTokenizers);
  setJson("added_tokens", added);

  const bounds = boundTokens(file, ids, unsupported);
  const { config } = hints;
  const special = (key: string) => {
    const value = config?.values[key] ?? undefined;
    const text = isRecord(value) ? value.content : value;
    if (text === undefined) return undefined;
    const token = typeof text === "string" ? ids.get(text) : undefined;
    if (token === undefined) throw config!.wrong(key, "a token of tokenizer.json");
    return token.id < hints.vocabulary ? token.id : undefined;
  };
  const eosIds = hints.eosIds.filter((id) => id < hints.vocabulary);
  const bosId = special("bos_token") ?? bounds.first ?? hints.bosId;
  const eosId = special("eos_token") ?? eosIds[0] ?? bounds.last;
  const parts = [["begins", "BOS", bounds.first, bosId], ["ends", "EOS", bounds.last, eosId]] as const;
  for (const [does, name, bound, wanted] of parts) {
    if (bound === undefined || bound === wanted) continue;
    const [found, token] = [bound, wanted].map((id) => quote(tokens[id!] ?? `${id}`));
    throw unsupported(`${does} texts with ${found}, wanted the ${name} token ${token}`);
  }
  set("bos_token_id", bosId);
  set("eos_token_id", eosId);
  set("eos_token_ids", Float64Array.from(eosIds));
  // Of transformers' classes this one makes its post-processor by the flags. Others have the file's, whatever they say.
  const name = config?.values.tokenizer_class;
  const isLlama = name === "LlamaTokenizer" || name === "LlamaTokenizerFast";
  const flags = metadata.get("tokenizer.ggml.model") === "llama" && isLlama || !file.object("post_processor")
    ? config
    : undefined;
  set("add_bos_token", flags?.boolean("add_bos_token", bounds.first !== undefined) ?? bounds.first !== undefined);
  set("add_eos_token", flags?.boolean("add_eos_token", bounds.last !== undefined) ?? bounds.last !== undefined);
  return metadata;
}

/** The most added tokens. Models of speech or pictures have up to 66 000. */
const MAX_ADDED_TOKENS = 2 ** 18;

/** Tokens by their texts; the id of one that has no row in the embedding is not below the number of rows. */
type Ids = ReadonlyMap<string, { readonly id: number }>;

function readTokens(file: JsonFile, model: JsonFile, vocabulary: number) {
  const entries = model.object("vocab");
  if (!entries) throw model.wrong("vocab", "an object");
  const tokens = new Array<string | undefined>(vocabulary).fill(undefined);
  const types = new Int32Array(vocabulary).fill(UNUSED);
  const ids = new Map<string, { readonly id: number }>();
  const add = (token: unknown, id: unknown, type: number) => {
    const fits = typeof id === "number" && Number.isSafeInteger(id) && id >= 0;
    if (typeof token !== "string" || !fits) {
      throw file.error(
        `token ${shown(token)} has id ${shown(id)}, wanted a whole number of 0 or more; get or convert the model anew`,
      );
    }
    const isLost = id >= vocabulary;
    if ((!isLost && (tokens[id] ?? token) !== token) || (ids.get(token)?.id ?? id) !== id) {
      throw file.error(`token ${quote(token)} and id ${id} are there twice; get or convert the model anew`);
    }
    ids.set(token, { id });
    // Such a token can't be fed. Its text is text like any other.
    if (isLost) return;
    tokens[id] = token;
    types[id] = type;
  };
  for (const [token, id] of Object.entries(entries.values)) add(token, id, NORMAL);
  const bytes = model.boolean("byte_fallback", false) ? /^<0x[0-9A-F]{2}>$/ : undefined;
  tokens.forEach((token, id) => {
    if (token !== undefined && bytes?.test(token)) types[id] = BYTE;
  });
  const { added_tokens: listed } = file.values;
  if (Array.isArray(listed) && listed.length > MAX_ADDED_TOKENS) {
    throw file.wrong("added_tokens", `${MAX_ADDED_TOKENS} tokens at most`);
  }
  const added = file.objects("added_tokens").map(({ values }) => values);
  let characters = 0;
  for (const { content, id, special } of added) {
    // Merges lead to an added token, too, where it is one of the vocabulary.
    const plain = typeof content === "string" && ids.has(content) ? NORMAL : USER_DEFINED;
    add(content, id, special === true ? CONTROL : plain);
    characters += (content as string).length;
  }
  if (characters > MAX_ADDED_CHARACTERS) {
    throw file.error(
      `its added tokens have ${characters} characters, wanted ${MAX_ADDED_CHARACTERS} at most; ` +
        "get or convert the model anew",
    );
  }
  return { tokens: tokens.map((token, id) => token ?? `[PAD${id}]`), types, ids, added };
}

/** The merges as "left right". Older files write them so, newer ones as pairs. */
function readMerges(model: JsonFile, ids: Ids): string[] {
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

/** How deep sequences of steps may lie in each other. */
const MAX_DEPTH = 8;

/** The steps under `key`; a step of the type Sequence is replaced by its own steps, which it has under `list`. */
function steps(file: JsonFile, key: string, list: string): JsonObject[] {
  const flatten = (step: JsonFile, depth: number): JsonObject[] => {
    if (step.values.type !== "Sequence") return [step.values];
    if (depth === MAX_DEPTH) {
      throw file.error(`its ${key} is nested more than ${MAX_DEPTH} deep; use a GGUF of the model`);
    }
    return step.objects(list).flatMap((one) => flatten(one, depth + 1));
  };
  const step = file.object(key);
  return step ? flatten(step, 0) : [];
}

/** The tokens that the post-processors put before and behind a text. */
function boundTokens(
  file: JsonFile,
  ids: Ids,
  unsupported: (state: string) => Error,
): { readonly first: number | undefined; readonly last: number | undefined } {
  const idOf = (token: unknown): number => {
    const found = typeof token === "string" ? ids.get(token) : undefined;
    if (found) return found.id;
    throw unsupported(`begins or ends texts with ${shown(token)}, which is no token`);
  };
  let [before, behind]: [number[], number[]] = [[], []];
  for (const { type, single, special_tokens: special, cls, sep } of steps(file, "post_processor", "processors")) {
    if (type === "ByteLevel") continue;
    if (type === "RobertaProcessing" || type === "BertProcessing") {
      [before, behind] = [[idOf(Array.isArray(cls) && cls[0]), ...before], [
        ...behind,
        idOf(Array.isArray(sep) && sep[0]),
      ]];
      continue;
    }
    if (type !== "TemplateProcessing" || !Array.isArray(single)) {
      throw unsupported(`has the post-processor ${shown(type)}, which is not done here`);
    }
    const parts = single.map((part: unknown) => isRecord(part) ? part : {});
    const at = parts.findIndex((part) => part.Sequence);
    const tokensOf = (some: readonly JsonObject[]) =>
      some.flatMap(({ SpecialToken: token }): number[] => {
        if (!isRecord(token)) throw unsupported("has a template with more than one text, wanted one");
        const known = isRecord(special) && typeof token.id === "string" ? special[token.id] : undefined;
        return isRecord(known) && Array.isArray(known.tokens) ? known.tokens.map(idOf) : [idOf(token.id)];
      });
    if (at < 0) throw unsupported("has a template without the text, wanted one with it");
    [before, behind] = [[...tokensOf(parts.slice(0, at)), ...before], [...behind, ...tokensOf(parts.slice(at + 1))]];
  }
  if (before.length > 1 || behind.length > 1) {
    throw unsupported("puts more than one token before a text, or behind it; wanted one or none");
  }
  return { first: before[0], last: behind[0] };
}
