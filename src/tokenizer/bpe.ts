/** A merge of the symbols [begin, middle) and [middle, end), which is possible as long as both exist. */
interface Merge {
  readonly rank: number;
  readonly begin: number;
  readonly middle: number;
  readonly end: number;
}

/**
 * Byte-pair merging: cuts `text` into code points, then joins the adjacent pair with the lowest rank (of equal ones the
 * leftmost) until no pair has a rank. A priority queue keeps the time at O(n log n), which matters because
 * SentencePiece merges a whole text at once.
 */
export function mergeSymbols(text: string, rank: (left: string, right: string) => number | undefined): string[] {
  // A symbol is known by the offset at which it begins. `next` has the offset at which it ends, or -1 once it is part
  // of another symbol; `previous` has the offset at which the symbol before it begins.
  const next: number[] = new Array(text.length).fill(-1);
  const previous: number[] = new Array(text.length).fill(-1);
  const queue: Merge[] = [];

  const propose = (begin: number) => {
    const middle = next[begin]!;
    if (middle === text.length) return;
    const end = next[middle]!;
    const found = rank(text.slice(begin, middle), text.slice(middle, end));
    if (found !== undefined) push(queue, { rank: found, begin, middle, end });
  };

  let begin = 0;
  for (const symbol of text) {
    next[begin] = begin + symbol.length;
    if (next[begin]! < text.length) previous[next[begin]!] = begin;
    begin += symbol.length;
  }
  for (let at = 0; at < text.length; at = next[at]!) propose(at);

  for (let merge = pop(queue); merge !== undefined; merge = pop(queue)) {
    const { begin, middle, end } = merge;
    if (next[begin] !== middle || next[middle] !== end) continue;
    next[begin] = end;
    next[middle] = -1;
    if (end < text.length) previous[end] = begin;
    if (begin > 0) propose(previous[begin]!);
    propose(begin);
  }

  const symbols: string[] = [];
  for (let at = 0; at < text.length; at = next[at]!) symbols.push(text.slice(at, next[at]));
  return symbols;
}

/** The function that ranks pairs by a list of merges ("left right", the most urgent first). */
export function rankMerges(merges: readonly string[]): (left: string, right: string) => number | undefined {
  const ranks = new Map<string, number>();
  // The list is read from its end, so that of two equal merges the first one counts.
  for (let rank = merges.length - 1; rank >= 0; rank--) ranks.set(merges[rank]!, rank);
  return (left, right) => ranks.get(`${left} ${right}`);
}

const utf8 = new TextEncoder();

/** The letters in which byte-level vocabularies write the 256 bytes: a printable byte is its Latin-1 letter. */
const BYTE_LETTERS: readonly string[] = (() => {
  let spare = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
    return String.fromCharCode(printable ? byte : spare++);
  });
})();
const LETTER_BYTES: ReadonlyMap<string, number> = new Map(BYTE_LETTERS.map((letter, byte) => [letter, byte]));

/**
 * The bytes that a byte-level token stands for. A token with a letter that stands for no byte is taken as UTF-8 text.
 */
export function byteLevelBytes(token: string): Uint8Array {
  const bytes = Array.from(token, (letter) => LETTER_BYTES.get(letter));
  return bytes.includes(undefined) ? new TextEncoder().encode(token) : Uint8Array.from(bytes as number[]);
}

/** The letters of a text's UTF-8 bytes. */
export function toByteLetters(text: string): string {
  let letters = "";
  for (const byte of utf8.encode(text)) letters += BYTE_LETTERS[byte];
  return letters;
}

/** Whether a token is one byte of a byte-level vocabulary. */
export function isByteLetter(token: string): boolean {
  return LETTER_BYTES.has(token);
}

/** What byte-pair encoding does beside merging. */
export interface BpeOptions {
  /** Whether a piece that is itself a token is taken whole, without merges. */
  readonly ignoreMerges: boolean;
  /** The token of each byte, for a character without a token; without all of these it is an unknown one. */
  readonly byteIds?: readonly (number | undefined)[];
  /** The token for an unknown character; without it such a character is dropped, before anything is merged. */
  readonly unknownId?: number;
  /** Whether unknown characters in a row become one token. */
  readonly fuseUnknown?: boolean;
}

/**
 * The encoder of pieces by byte-pair merging, as the BPE of Hugging Face's tokenizers, which knows `rank` from a list
 * of merges, and of SentencePiece, which knows it from the tokens' scores. `ids` has the tokens that text may become.
 * SmolLM2's vocabulary lacks 21 of the 256 bytes.
 */
export function createBpeEncoder(
  ids: ReadonlyMap<string, number>,
  rank: (left: string, right: string) => number | undefined,
  { ignoreMerges, byteIds, unknownId, fuseUnknown = false }: BpeOptions,
): (piece: string, add: (id: number) => void) => void {
  const drops = byteIds === undefined && unknownId === undefined;
  const tokensOf = (symbol: string): readonly number[] | undefined => {
    const id = ids.get(symbol);
    if (id !== undefined) return [id];
    const bytes = Array.from(byteIds ? utf8.encode(symbol) : [], (byte) => byteIds![byte]);
    return bytes.length > 0 && !bytes.includes(undefined) ? bytes as number[] : undefined;
  };
  return (piece, add) => {
    const whole = ignoreMerges ? ids.get(piece) : undefined;
    if (whole !== undefined) {
      add(whole);
      return;
    }
    const letters = Array.from(piece);
    const text = drops && !letters.every((letter) => ids.has(letter))
      ? letters.filter((letter) => ids.has(letter)).join("")
      : piece;
    let wasUnknown = false;
    for (const symbol of mergeSymbols(text, rank)) {
      // Merges may lead to a token that text may not become.
      for (const part of ids.has(symbol) ? [symbol] : symbol) {
        const tokens = tokensOf(part);
        if (tokens) tokens.forEach(add);
        else if (unknownId !== undefined && !(wasUnknown && fuseUnknown)) add(unknownId);
        wasUnknown = tokens === undefined;
      }
    }
  };
}

/** Whether merge `a` comes before merge `b`. The queue is a binary heap by this order. */
function isBefore(a: Merge, b: Merge): boolean {
  return a.rank < b.rank || (a.rank === b.rank && a.begin < b.begin);
}

function push(queue: Merge[], merge: Merge): void {
  let at = queue.length;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!isBefore(merge, queue[parent]!)) break;
    queue[at] = queue[parent]!;
    at = parent;
  }
  queue[at] = merge;
}

function pop(queue: Merge[]): Merge | undefined {
  const first = queue[0];
  const last = queue.pop();
  if (last === undefined || queue.length === 0) return first;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= queue.length) break;
    if (child + 1 < queue.length && isBefore(queue[child + 1]!, queue[child]!)) child++;
    if (!isBefore(queue[child]!, last)) break;
    queue[at] = queue[child]!;
    at = child;
  }
  queue[at] = last;
  return first;
}
