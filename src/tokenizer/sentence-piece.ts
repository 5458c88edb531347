import { mergeSymbols } from "./bpe.ts";

/** SentencePiece writes this character for a space. */
const SPACE = "\u2581";
const BYTE_TOKEN = /^<0x([0-9A-F]{2})>$/;

/** The bytes that a SentencePiece token stands for: one byte for `<0xNN>`, else its text with spaces for `▁`. */
export function sentencePieceBytes(token: string): Uint8Array {
  const byte = BYTE_TOKEN.exec(token)?.[1];
  return byte === undefined
    ? new TextEncoder().encode(token.replaceAll(SPACE, " "))
    : Uint8Array.of(Number.parseInt(byte, 16));
}

/** The function that ranks pairs whose joined text is a token, by that token's score: the highest score comes first. */
export function rankScores(
  ids: ReadonlyMap<string, number>,
  scores: ArrayLike<number>,
): (left: string, right: string) => number | undefined {
  return (left, right) => {
    const id = ids.get(left + right);
    return id === undefined ? undefined : -scores[id]!;
  };
}

/**
 * The encoder for SentencePiece's BPE (Llama 2, TinyLlama): the adjacent pair with the lowest rank is joined first. A
 * character that stays without a token becomes the tokens `<0xNN>` of its UTF-8 bytes, or `unknownId` for a byte
 * without a token. `ids` has the tokens that text may become, so no control tokens.
 */
export function createSentencePieceEncoder(
  ids: ReadonlyMap<string, number>,
  tokens: readonly string[],
  rank: (left: string, right: string) => number | undefined,
  { unknownId, addSpacePrefix }: { unknownId: number | undefined; addSpacePrefix: boolean },
): (text: string) => number[] {
  const byteIds: (number | undefined)[] = new Array(256).fill(unknownId);
  tokens.forEach((token, id) => {
    const byte = BYTE_TOKEN.exec(token)?.[1];
    if (byte !== undefined) byteIds[Number.parseInt(byte, 16)] = id;
  });
  const utf8 = new TextEncoder();

  return (text) => {
    const spaced = (addSpacePrefix ? SPACE : "") + text.replaceAll(" ", SPACE);
    return mergeSymbols(spaced, rank).flatMap((symbol) => {
      const id = ids.get(symbol);
      return id ?? Array.from(utf8.encode(symbol), (byte) => byteIds[byte]).filter((id) => id !== undefined);
    });
  };
}
