/** The longest end of the text that is looked for, in tokens; a longer match says no more. */
const LONGEST = 16;

/** Where a text's end occurred before. */
export interface Match {
  /** The place of the token that followed there; without a match, of the text's last one. */
  readonly next: number;
  /** Tokens that are the same, at most 16. */
  readonly length: number;
}

/**
 * The last of the longest matches with the end of a text, which has a token or more (prompt look-up;
 * github.com/apoorvumang/prompt-lookup-decoding).
 */
export function lookUp(text: readonly number[]): Match {
  const last = text.length - 1;
  let best: Match = { next: last, length: 0 };
  for (let end = last - 1; end >= best.length && best.length < LONGEST; end--) {
    let length = 0;
    while (length < LONGEST && length <= end && text[end - length] === text[last - length]) length++;
    if (length > best.length) best = { next: end + 1, length };
  }
  return best;
}

/** The confidence that stands for a match of so many tokens, about 0 for none; a predictor learns what it means. */
export function matchConfidence(length: number): number {
  const counted = Math.min(length, LONGEST);
  return counted === 0 ? 0.001 : counted / (counted + 1);
}
