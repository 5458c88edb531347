// Small vocabularies of both kinds, as a checkpoint's metadata has them, and ways to read tokens.

import fc from "fast-check";
import { TOKEN_TYPES } from "../../src/checkpoint/token-types.ts";
import type { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import { BYTE_LETTERS } from "../checkpoint/gguf-builder.ts";

const { NORMAL, UNKNOWN, CONTROL, BYTE } = TOKEN_TYPES;

/** Metadata with `tokenizer.ggml.` before each key. */
export const metadataOf = (values: Record<string, unknown>) =>
  new Map(Object.entries(values).map(([key, value]) => [`tokenizer.ggml.${key}`, value]));

/**
 * A vocabulary like GPT-2's: the letters of the 256 bytes, then a token for each of `merges` ("left right"), then
 * `added` with their types.
 */
export function byteLevel(
  pre: string,
  merges: string[],
  added: [token: string, type: number][] = [],
): Map<string, unknown> {
  const merged = merges.map((merge) => merge.replace(" ", ""));
  return metadataOf({
    model: "gpt2",
    pre,
    tokens: [...BYTE_LETTERS, ...merged, ...added.map(([token]) => token)],
    token_type: [...BYTE_LETTERS.map(() => NORMAL), ...merged.map(() => NORMAL), ...added.map(([, type]) => type)],
    merges,
  });
}

/** SentencePiece's tokens for the 256 bytes, from `<0x00>` to `<0xFF>`. */
export const BYTE_TOKENS = BYTE_LETTERS.map((_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);

/** A vocabulary like Llama 2's: <unk>, <s>, </s>, the bytes, then `pieces` with their scores, from id 259 on. */
export function sentencePiece(
  pieces: Record<string, number>,
  more: Record<string, unknown> = {},
): Map<string, unknown> {
  const added = Object.keys(pieces);
  const types = [UNKNOWN, CONTROL, CONTROL, ...BYTE_TOKENS.map(() => BYTE), ...added.map(() => NORMAL)];
  return metadataOf({
    model: "llama",
    tokens: ["<unk>", "<s>", "</s>", ...BYTE_TOKENS, ...added],
    token_type: Int32Array.from(types),
    scores: Float32Array.from([0, 0, 0, ...BYTE_TOKENS.map(() => 0), ...Object.values(pieces)]),
    bos_token_id: 1,
    eos_token_id: 2,
    unknown_token_id: 0,
    ...more,
  });
}

/** Text becomes tokens of text, without BOS. */
export const raw = { special: false, addBos: false };
/** Text of control tokens becomes these tokens, without BOS. */
export const parsed = { special: true, addBos: false };
/** A text's tokens as the file writes them, which are easier to read than ids. */
export const pieces = (tokenizer: Tokenizer, text: string, options = raw) =>
  tokenizer.encode(text, options).map((id) => tokenizer.tokenStrings[id]);
/** The text that tokens stand for. */
export const decode = (tokenizer: Tokenizer, ids: readonly number[], special = false) =>
  new TextDecoder("utf-8", { ignoreBOM: true }).decode(
    Uint8Array.from(ids.flatMap((id) => [...tokenizer.tokenBytes(id, { special })])),
  );

/** Any Unicode text in which these characters are frequent. */
export const textWith = (characters: string) =>
  fc.string({ unit: fc.oneof(fc.constantFrom(...characters), fc.string({ unit: "binary" })) });
