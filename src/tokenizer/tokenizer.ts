import { TOKEN_TYPES } from "../checkpoint/token-types.ts";
import { quote } from "../util/text.ts";
import { type AddedToken, AddedTokens } from "./added-tokens.ts";
import { byteLevelBytes, createBpeEncoder, isByteLetter, rankMerges } from "./bpe.ts";
import { endTokens } from "./end-tokens.ts";
import { guessFamily } from "./guess-family.ts";
import { type Family, findFamily } from "./pre-tokenizers.ts";
import { byteTokens, createSentencePieceEncoder, rankScores, sentencePieceBytes } from "./sentence-piece.ts";
import { StepBuilder } from "./steps.ts";
import {
  type Metadata,
  PREFIX,
  readAddedTokens,
  readBoolean,
  readId,
  readIds,
  readModel,
  readNumbers,
  readSteps,
  readString,
  readStrings,
} from "./tokenizer-metadata.ts";

// How a text becomes ids: added tokens are cut out of it (added-tokens.ts). What is between them is normalized and cut
// into pieces (steps.ts), by the steps of a tokenizer.json or by those of the family that a GGUF names
// (pre-tokenizers.ts), for whose patterns regex.ts searches. Each piece is merged (bpe.ts, sentence-piece.ts).

export interface EncodeOptions {
  /** Whether the text of a control token, such as `<|im_start|>`, becomes that token. */
  readonly special: boolean;
  /**
   * Whether the beginning-of-sequence token (BOS) comes first, and once, whether the text begins with it or not;
   * default: as the model's file says, which may also have an end-of-sequence token (EOS) behind the text.
   */
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
  /** What had to be assumed of the model's file, a line each. */
  readonly warnings: readonly string[];
  /** The control token whose text this is, if there is one. */
  controlId(text: string): number | undefined;
  /**
   * The ids of a text's tokens. Lone surrogates in the text count as U+FFFD. Throws an Error where BOS is to come first
   * and there is no such token, or where the tokenizer's own steps take too long or make the text too long.
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

/** Turns text without added tokens into ids; `atStart` says whether it is the beginning of all. */
type EncodeText = (text: string, atStart: boolean, add: (id: number) => void) => void;

/** The tokens of a vocabulary with their types. */
interface Vocabulary {
  readonly metadata: Metadata;
  readonly tokens: readonly string[];
  readonly types: readonly number[];
  /** The tokens that text may become by merges. */
  readonly ids: ReadonlyMap<string, number>;
  readonly steps: StepBuilder;
}

/**
 * Builds the tokenizer that a checkpoint's metadata describes: the `tokenizer.ggml.*` keys, and those that
 * tokenizer-json.ts adds to them. Throws an Error where a key is missing or has a value of another type, or where the
 * tokenizer is of an unknown kind.
 */
export function loadTokenizer(metadata: Metadata): Tokenizer {
  const model = readString(metadata, "model");
  if (model !== "gpt2" && model !== "llama") {
    throw new Error(`Cannot load the tokenizer: its kind is ${quote(model)}; use a model with one of "gpt2", "llama"`);
  }
  const tokens = readStrings(metadata, "tokens");
  const size = tokens.length;
  const types = metadata.has(PREFIX + "token_type")
    ? [...readNumbers(metadata, "token_type", size)]
    : tokens.map(() => NORMAL);
  const eosIds = new Set(endTokens(tokens));
  for (const id of eosIds) types[id] = CONTROL;
  for (const key of ["eos_token_id", "eot_token_id", "eom_token_id"]) {
    const id = readId(metadata, key, size);
    if (id !== undefined) eosIds.add(id);
  }
  for (const id of readIds(metadata, "eos_token_ids", size)) eosIds.add(id);
  const bosId = readId(metadata, "bos_token_id", size);
  const eosId = readId(metadata, "eos_token_id", size);

  // A control token may be written as one of the letters that stand for bytes.
  const isByte = (id: number) => model === "gpt2" && types[id] !== UNKNOWN && isByteLetter(tokens[id]!);
  // Text becomes these tokens only, so that no run of letters merges into a control token.
  const ids = new Map<string, number>();
  tokens.forEach((token, id) => {
    if (token !== "" && (types[id] === NORMAL || isByte(id))) ids.set(token, id);
  });
  const steps = new StepBuilder();
  const vocabulary = { metadata, tokens, types, ids, steps };
  const normalizerSteps = readSteps(metadata, "normalizer");
  const normalize = steps.normalizer(normalizerSteps ?? []);
  const { encodeText, addsBos, warnings } = normalizerSteps
    ? jsonEncoder(vocabulary)
    : model === "gpt2"
    ? byteLevelEncoder(vocabulary)
    : sentencePieceEncoder(vocabulary);
  const addBos = readBoolean(metadata, "add_bos_token") ?? addsBos;
  const addEos = readBoolean(metadata, "add_eos_token") ?? false;

  const { added, warnings: dropped } = addedTokens(vocabulary);
  const written = new AddedTokens(added.filter(({ normalized }) => !normalized));
  const normalized = new AddedTokens(added.filter(({ normalized }) => normalized), ({ content }) => normalize(content));
  const controls = new Map(added.filter(({ special }) => special).map(({ content, id }) => [content, id]));

  return {
    vocabulary: size,
    tokenStrings: tokens,
    bosId,
    eosIds,
    addBos,
    warnings: [...warnings, ...dropped],
    controlId: (text) => controls.get(text),
    encode(text, options) {
      const output: number[] = [];
      const add = (id: number) => void output.push(id);
      const { special } = options;
      steps.allow(text);
      for (const part of written.split(text.toWellFormed(), { atStart: true, special })) {
        if ("token" in part) add(part.token.id);
        else {
          for (const inner of normalized.split(normalize(part.text), { atStart: part.atStart, special })) {
            if ("token" in inner) add(inner.token.id);
            else encodeText(inner.text, inner.atStart, add);
          }
        }
      }
      const wantsBos = options.addBos ?? addBos;
      if (wantsBos && bosId === undefined) {
        throw new Error(`Cannot begin with BOS: "${PREFIX}bos_token_id" is missing; get or convert the model anew`);
      }
      if (wantsBos && output[0] !== bosId) output.unshift(bosId!);
      if (addEos && options.addBos === undefined && eosId !== undefined && output.at(-1) !== eosId) add(eosId);
      return output;
    },
    tokenBytes(id, options) {
      const token = tokens[id];
      if (token === undefined) {
        throw new RangeError(`Cannot decode token ${id}: the vocabulary has ${size} tokens`);
      }
      const type = types[id];
      if (isByte(id)) return byteLevelBytes(token);
      if (type === USER_DEFINED || (options?.special && (type === CONTROL || type === UNKNOWN))) {
        return new TextEncoder().encode(token);
      }
      if (type !== NORMAL && type !== BYTE) return new Uint8Array();
      return model === "gpt2" ? byteLevelBytes(token) : sentencePieceBytes(token);
    },
  };
}

interface Encoder {
  readonly encodeText: EncodeText;
  /** Whether BOS comes first where the file does not say. */
  readonly addsBos: boolean;
  readonly warnings: readonly string[];
}

/** The encoder of a tokenizer.json: its own steps, then merges. */
function jsonEncoder({ metadata, tokens, ids, steps }: Vocabulary): Encoder {
  const cut = steps.preTokenizer(readSteps(metadata, "pre_tokenizer") ?? []);
  const model = readModel(metadata);
  const encode = createBpeEncoder(ids, rankMerges(readStrings(metadata, "merges")), {
    ignoreMerges: model.ignore_merges === true,
    byteIds: model.byte_fallback === true ? byteTokens(tokens) : undefined,
    unknownId: readId(metadata, "unknown_token_id", tokens.length),
    fuseUnknown: model.fuse_unk === true,
  });
  return {
    encodeText: (text, atStart, add) => {
      for (const piece of cut(text, atStart)) encode(piece, add);
    },
    addsBos: false,
    warnings: [],
  };
}

/** The encoder of a GGUF file with a byte-level vocabulary (GPT-2, SmolLM, Llama 3). */
function byteLevelEncoder({ metadata, tokens, ids, steps }: Vocabulary): Encoder {
  const { family, warnings } = familyOf(metadata, tokens);
  const isByteLevel = family.steps.some(({ type }) => type === "ByteLevel");
  const cut = steps.preTokenizer([
    ...family.steps,
    ...(isByteLevel ? [] : [{ type: "ByteLevel", add_prefix_space: false, use_regex: false }]),
  ]);
  const encode = createBpeEncoder(ids, rankMerges(readStrings(metadata, "merges")), family);
  return {
    encodeText: (text, atStart, add) => {
      for (const piece of cut(text, atStart)) encode(piece, add);
    },
    addsBos: family.addBos,
    warnings,
  };
}

/** The family that the file names, or else the one whose vocabulary it has: early files don't name it. */
function familyOf(metadata: Metadata, tokens: readonly string[]): { family: Family; warnings: string[] } {
  const named = metadata.has(PREFIX + "pre") ? readString(metadata, "pre") : undefined;
  if (named !== undefined && named !== "default") return { family: findFamily(named), warnings: [] };
  const guess = guessFamily(tokens);
  const state = `the file ${named ? 'has "default" for' : "lacks"} "${PREFIX}pre", which says how text is cut`;
  const remedy = "get or convert the model anew if its answers are poor";
  if (guess) {
    const { whose, pre } = guess;
    return {
      family: findFamily(pre),
      warnings: [`${state}; its vocabulary looks like ${whose}, so "${pre}" is assumed: ${remedy}`],
    };
  }
  return { family: findFamily("default"), warnings: named ? [] : [`${state}; "default" is assumed: ${remedy}`] };
}

/** The encoder of a GGUF file with SentencePiece's vocabulary (Llama 2, TinyLlama). */
function sentencePieceEncoder({ metadata, tokens, ids }: Vocabulary): Encoder {
  // A file ranks pairs by their tokens' scores, or has a list of merges.
  const scores = metadata.has(PREFIX + "merges") ? null : readNumbers(metadata, "scores", tokens.length);
  const rank = scores ? rankScores(ids, scores) : rankMerges(readStrings(metadata, "merges"));
  const encode = createSentencePieceEncoder(ids, tokens, rank, {
    unknownId: readId(metadata, "unknown_token_id", tokens.length),
    addSpacePrefix: readBoolean(metadata, "add_space_prefix") ?? true,
  });
  return { encodeText: (text, _, add) => encode(text, add), addsBos: true, warnings: [] };
}

/** The tokens that are looked for in the text itself: those that a tokenizer.json adds, or by a GGUF's types. */
function addedTokens({ metadata, tokens, types }: Vocabulary): { added: AddedToken[]; warnings: string[] } {
  const listed = readAddedTokens(metadata);
  if (listed) {
    const beyond = listed.filter(({ id }) => id >= tokens.length);
    if (beyond.length === 0) return { added: listed, warnings: [] };
    const some = beyond.slice(0, 3).map(({ content }) => quote(content)).join(", ") +
      (beyond.length > 3 ? ", ..." : "");
    return {
      added: listed.filter(({ id }) => id < tokens.length),
      warnings: [
        `the model has no rows for ${beyond.length} added tokens (${some}), whose texts are text like any other`,
      ],
    };
  }
  // llama.cpp takes it from the name that Phi 3's tokens take in the white space behind them.
  const isPhi3 = /phi-?3/i.test(String(metadata.get("general.name") ?? ""));
  const added = tokens.flatMap((content, id): AddedToken[] => {
    const special = types[id] === CONTROL || types[id] === UNKNOWN;
    if (!special && types[id] !== USER_DEFINED) return [];
    const rstrip = isPhi3 && !["<unk>", "<s>", "<|endoftext|>"].includes(content);
    return [{ id, content, special, lstrip: false, rstrip, singleWord: false, normalized: false }];
  });
  return { added, warnings: [] };
}
