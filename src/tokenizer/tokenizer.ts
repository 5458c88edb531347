import { TOKEN_TYPES } from "../checkpoint/token-types.ts";
import { byteLevelBytes, createByteLevelEncoder, rankMerges } from "./bpe.ts";
import { quote } from "../util/text.ts";
import { findPreTokenizer } from "./pre-tokenizers.ts";
import { createSentencePieceEncoder, rankScores, sentencePieceBytes } from "./sentence-piece.ts";

export interface EncodeOptions {
  /** Whether the text of a control token, such as `<|im_start|>`, becomes that token. */
  readonly special: boolean;
  /** Whether the beginning-of-sequence token (BOS) comes first; default: as the model's file says. */
  readonly addBos?: boolean;
}

/** Text to token ids and back, as one model file defines it. */
export interface Tokenizer {
  /** The number of tokens; ids are 0 to `vocabulary` - 1. */
  readonly vocabulary: number;
  /** Each token as the file writes it (`Ġthe`, `▁the`, `<0x0A>`), by its id. */
  readonly tokenStrings: readonly string[];
  /** The beginning-of-sequence token, if there is one. */
  readonly bosId: number | undefined;
  /** Every token that ends a generation: end of sequence, of turn, of message. */
  readonly eosIds: ReadonlySet<number>;
  /** Whether the model wants `bosId` at the start of a sequence. */
  readonly addBos: boolean;
  /**
   * The ids of a text's tokens. Lone surrogates in the text count as U+FFFD. Throws an Error where BOS is to come first
   * and there is no such token.
   */
  encode(text: string, options: EncodeOptions): number[];
  /**
   * The UTF-8 bytes that a token adds to a text, often not whole characters. A control token adds none, but its text
   * with `special`. Throws a RangeError where there is no token with this id.
   */
  tokenBytes(id: number, options?: { readonly special: boolean }): Uint8Array;
}

// Tokens of the other types, "undefined" and "unused", never stand for text.
const { NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE } = TOKEN_TYPES;

/** Tokens that end a generation, whatever type the file gives them: those of the Llama family in llama.cpp's list. */
const END_TOKENS: ReadonlySet<string> = new Set([
  "</s>",
  "<|eot_id|>",
  "<|eom_id|>",
  "<|end_of_text|>",
  "<|endoftext|>",
  "<|im_end|>",
  "<|end|>",
  "<end_of_turn>",
  "<EOT>",
]);

const PREFIX = "tokenizer.ggml.";

/**
 * Builds the tokenizer that a checkpoint's metadata describes (the `tokenizer.ggml.*` keys). Throws an Error where a
 * key is missing or has a value of another type, or where the tokenizer is of an unknown kind.
 */
export function loadTokenizer(metadata: ReadonlyMap<string, unknown>): Tokenizer {
  const model = readString(metadata, "model");
  if (model !== "gpt2" && model !== "llama") {
    throw new Error(`Cannot load the tokenizer: its kind is ${quote(model)}; use a model with one of "gpt2", "llama"`);
  }
  const tokens = readStrings(metadata, "tokens");
  const vocabulary = tokens.length;
  const types = metadata.has(PREFIX + "token_type")
    ? [...readNumbers(metadata, "token_type", vocabulary)]
    : tokens.map(() => NORMAL);
  const eosIds = new Set<number>();
  tokens.forEach((token, id) => {
    if (!END_TOKENS.has(token)) return;
    eosIds.add(id);
    types[id] = CONTROL;
  });
  for (const key of ["eos_token_id", "eot_token_id", "eom_token_id"]) {
    const id = readId(metadata, key, vocabulary);
    if (id !== undefined) eosIds.add(id);
  }
  for (const id of readIds(metadata, "eos_token_ids", vocabulary)) eosIds.add(id);
  const bosId = readId(metadata, "bos_token_id", vocabulary);

  const idsOf = (...wanted: number[]) => {
    const ids = new Map<string, number>();
    tokens.forEach((token, id) => {
      if (token !== "" && wanted.includes(types[id]!)) ids.set(token, id);
    });
    return ids;
  };
  // Text becomes normal tokens only, so that no run of letters merges into a control token.
  const ids = idsOf(NORMAL);
  const special = idsOf(CONTROL, UNKNOWN, USER_DEFINED);
  const specialPattern = anyOf(special.keys());
  const userDefinedPattern = anyOf(idsOf(USER_DEFINED).keys());

  let encodeText: (text: string) => number[];
  let defaultBos = true;
  if (model === "gpt2") {
    const preTokenizer = findPreTokenizer(readString(metadata, "pre"));
    encodeText = createByteLevelEncoder(ids, readStrings(metadata, "merges"), preTokenizer);
    defaultBos = preTokenizer.addBos;
  } else {
    // A GGUF file ranks pairs by their tokens' scores; a tokenizer.json has a list of merges instead.
    const scores = metadata.has(PREFIX + "merges") ? null : readNumbers(metadata, "scores", vocabulary);
    const rank = scores ? rankScores(ids, scores) : rankMerges(readStrings(metadata, "merges"));
    encodeText = createSentencePieceEncoder(ids, tokens, rank, {
      unknownId: readId(metadata, "unknown_token_id", vocabulary),
      addSpacePrefix: readBoolean(metadata, "add_space_prefix") ?? true,
    });
  }
  const addBos = readBoolean(metadata, "add_bos_token") ?? defaultBos;

  return {
    vocabulary,
    tokenStrings: tokens,
    bosId,
    eosIds,
    addBos,
    encode(text, options) {
      const output: number[] = [];
      if (options.addBos ?? addBos) {
        if (bosId === undefined) {
          throw new Error(`Cannot begin with BOS: "${PREFIX}bos_token_id" is missing; get or convert the model anew`);
        }
        output.push(bosId);
      }
      // A split by a pattern with one group gives text and matches in turn, so matches have odd indices.
      const parts = text.split(options.special ? specialPattern : userDefinedPattern);
      parts.forEach((part, index) => {
        if (index % 2 === 1) output.push(special.get(part)!);
        else if (part !== "") { for (const id of encodeText(part)) output.push(id); }
      });
      return output;
    },
    tokenBytes(id, options) {
      const token = tokens[id];
      if (token === undefined) {
        throw new RangeError(`Cannot decode token ${id}: the vocabulary has ${vocabulary} tokens`);
      }
      const type = types[id];
      if (type === USER_DEFINED || (options?.special && (type === CONTROL || type === UNKNOWN))) {
        return new TextEncoder().encode(token);
      }
      if (type !== NORMAL && type !== BYTE) return new Uint8Array();
      return model === "gpt2" ? byteLevelBytes(token) : sentencePieceBytes(token);
    },
  };
}

/** A pattern that matches any of the texts, the longest where several begin alike. */
function anyOf(texts: Iterable<string>): RegExp {
  const longestFirst = [...texts].sort((a, b) => b.length - a.length);
  const escaped = longestFirst.map((text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`(${escaped.join("|") || "(?!)"})`);
}

type Metadata = ReadonlyMap<string, unknown>;

function read<T>(metadata: Metadata, key: string, wanted: string, fits: (value: unknown) => value is T): T {
  const value = metadata.get(PREFIX + key);
  if (fits(value)) return value;
  const state = value === undefined ? "missing" : isArray(value) ? `an array of ${value.length}` : quote(`${value}`);
  throw new Error(
    `Cannot load the tokenizer: "${PREFIX}${key}" is ${state}, wanted ${wanted}; get or convert the model anew`,
  );
}

function isArray(value: unknown): value is ArrayLike<unknown> & Iterable<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && "length" in value);
}

function readString(metadata: Metadata, key: string): string {
  return read(metadata, key, "a string", (value) => typeof value === "string");
}

function readStrings(metadata: Metadata, key: string): readonly string[] {
  const fits = (value: unknown): value is string[] => Array.isArray(value) && value.every((x) => typeof x === "string");
  return read(metadata, key, "an array of strings", fits);
}

function readNumbers(metadata: Metadata, key: string, length: number): ArrayLike<number> & Iterable<number> {
  const fits = (value: unknown): value is number[] =>
    isArray(value) && value.length === length && Array.prototype.every.call(value, (x) => typeof x === "number");
  return read(metadata, key, `an array of ${length} numbers`, fits);
}

function readBoolean(metadata: Metadata, key: string): boolean | undefined {
  if (!metadata.has(PREFIX + key)) return undefined;
  return read(metadata, key, "true or false", (value) => typeof value === "boolean");
}

/** Reads a list of ids. No GGUF file has such a list: hugging-face.ts makes one of that in generation_config.json. */
function readIds(metadata: Metadata, key: string, vocabulary: number): Iterable<number> {
  if (!metadata.has(PREFIX + key)) return [];
  const fits = (value: unknown): value is number[] =>
    isArray(value) && Array.prototype.every.call(value, (id) => Number.isInteger(id) && id >= 0 && id < vocabulary);
  return read(metadata, key, `token ids below ${vocabulary}`, fits);
}

function readId(metadata: Metadata, key: string, vocabulary: number): number | undefined {
  if (!metadata.has(PREFIX + key)) return undefined;
  const fits = (value: unknown): value is number =>
    typeof value === "number" && Number.isInteger(value) && value >= 0 && value < vocabulary;
  return read(metadata, key, `a token id below ${vocabulary}`, fits);
}
