import { createBpeEncoder } from "./bpe.ts";

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

/** The ids of the tokens `<0xNN>`, by their byte. */
export function byteTokens(tokens: readonly string[]): (number | undefined)[] {
  const ids = new Array<number | undefined>(256).fill(undefined);
  tokens.forEach((token, id) => {
    const byte = BYTE_TOKEN.exec(token)?.[1];
    if (byte !== undefined) ids[Number.parseInt(byte, 16)] = id;
  });
  return ids;
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
 * character that stays without a token becomes the tokens `<0xNN>` of its UTF-8 bytes, or `unknownId` where one of
 * these is missing. `ids` has the tokens that text may become, so no control tokens.
 */
export function createSentencePieceEncoder(
  ids: ReadonlyMap<string, number>,
  tokens: readonly string[],
  rank: (left: string, right: string) => number | undefined,
  { unknownId, addSpacePrefix }: { unknownId: number | undefined; addSpacePrefix: boolean },
): (text: string, add: (id: number) => void) => void {
  const encode = createBpeEncoder(ids, rank, {
    ignoreMerges: false,
    byteIds: byteTokens(tokens),
    unknownId,
    fuseUnknown: true,
  });
  return (text, add) => encode((addSpacePrefix ? SPACE : "") + text.replaceAll(" ", SPACE), add);
}
