import type { Tokenizer } from "./tokenizer.ts";

/** How a draft model's tokens stand for those of the verify model. */
export interface SharedTokens {
  /** For each id of the verify model, the draft's id whose weights stand there. */
  readonly rows: Uint32Array;
  /** The verify model's ids for which the draft has no token, and which it therefore must not choose. */
  readonly lacking: ReadonlySet<number>;
  /** How many of the verify model's tokens of text the draft has, and how many there are. */
  readonly shared: number;
  readonly total: number;
}

/** A byte as a vocabulary of SentencePiece writes it. There is often a normal token of the same text. */
const BYTE = /^<0x[0-9A-Fa-f]{2}>$/;
/** The longest end that is looked for, in bytes: tokens have some 5. */
const LONGEST_END = 64;
/** How special tokens are written, also where a file's type says that they are text. */
const BRACKETED = /^<.+>$|^\[.+\]$/;

/**
 * Finds the verify model's tokens among the draft's: by their bytes, so that `▁the` of SentencePiece is `Ġthe` of a
 * byte-level vocabulary, at the same id first; then special tokens by their place alone, since a model's makers rename
 * reserved ones. A draft's token stands for one of the verify model's at most. Null where each id is the same token in
 * both.
 *
 * Where the draft has no such token, the text's end stands in for it, as far as the draft has a token for that, since
 * what follows depends on the end most; for a special token it is the draft's end of text.
 */
export function shareTokens(verify: Tokenizer, draft: Tokenizer): SharedTokens | null {
  const isSame = verify.vocabulary === draft.vocabulary &&
    verify.tokenStrings.every((token, id) => token === draft.tokenStrings[id]);
  if (isSame) return null;
  const [verifyTexts, draftTexts] = [textsOf(verify), textsOf(draft)];
  const draftIds = new Map<string, number[]>();
  for (const id of normalFirst(draft)) {
    const ids = draftIds.get(draftTexts[id]!);
    if (ids) ids.push(id);
    else draftIds.set(draftTexts[id]!, [id]);
  }
  const rows = new Uint32Array(verify.vocabulary);
  const lacking = new Set(rows.keys());
  const taken = new Uint8Array(draft.vocabulary);
  const share = (id: number, row: number | undefined) => {
    if (row === undefined || taken[row] || !lacking.has(id)) return;
    rows[id] = row;
    taken[row] = 1;
    lacking.delete(id);
  };
  verifyTexts.forEach((text, id) => text === draftTexts[id] && share(id, id));
  for (const id of normalFirst(verify)) share(id, draftIds.get(verifyTexts[id]!)?.find((row) => !taken[row]));
  for (const id of [...lacking]) {
    if (id < draft.vocabulary && isSpecial(verify, id) && isSpecial(draft, id)) share(id, id);
  }
  const isText = verify.tokenStrings.map((_, id) => !isSpecial(verify, id));
  const [end = draft.bosId ?? 0] = draft.eosIds;
  for (const id of lacking) rows[id] = (isText[id] ? longestEnd(verifyTexts[id]!, draftIds) : undefined) ?? end;
  const texts = [...isText.keys()].filter((id) => isText[id]);
  return { rows, lacking, total: texts.length, shared: texts.filter((id) => !lacking.has(id)).length };
}

/** Each token's text, a character for a byte. */
function textsOf(tokenizer: Tokenizer): string[] {
  // This decoder gives each byte a character of its own.
  const decoder = new TextDecoder("latin1");
  return tokenizer.tokenStrings.map((token, id) => {
    const bytes = tokenizer.tokenBytes(id, { special: true });
    return decoder.decode(bytes.length > 0 ? bytes : new TextEncoder().encode(token));
  });
}

/** All ids, those of SentencePiece's bytes last. */
function normalFirst({ tokenStrings }: Tokenizer): number[] {
  const ids = [...tokenStrings.keys()];
  return [...ids.filter((id) => !BYTE.test(tokenStrings[id]!)), ...ids.filter((id) => BYTE.test(tokenStrings[id]!))];
}

function isSpecial(tokenizer: Tokenizer, id: number): boolean {
  const token = tokenizer.tokenStrings[id]!;
  return tokenizer.tokenBytes(id).length === 0 || (BRACKETED.test(token) && !BYTE.test(token));
}

/** The token of the longest end of the text that there is one for. */
function longestEnd(text: string, ids: ReadonlyMap<string, readonly number[]>): number | undefined {
  for (let from = Math.max(0, text.length - LONGEST_END); from < text.length; from++) {
    const found = ids.get(text.slice(from));
    if (found) return found[0];
  }
  return undefined;
}
