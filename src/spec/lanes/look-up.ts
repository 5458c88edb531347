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
 * A text that tells where its end occurred before. It goes from occurrence to occurrence of its last token, rather than
 * over all of the text.
 */
export class IndexedText {
  readonly #tokens: number[] = [];
  /** The last place of each token. */
  readonly #last = new Map<number, number>();
  /** By place, where the token there stood before; -1 where it didn't. */
  readonly #before: number[] = [];

  /** How many tokens it has. */
  get length(): number {
    return this.#tokens.length;
  }

  /** The token in that place, counted from 0. */
  at(place: number): number {
    return this.#tokens[place]!;
  }

  push(token: number): void {
    this.#before.push(this.#last.get(token) ?? -1);
    this.#last.set(token, this.#tokens.length);
    this.#tokens.push(token);
  }

  /** Takes the tokens from that length on away. */
  cut(length: number): void {
    while (this.#tokens.length > length) {
      const [token, before] = [this.#tokens.pop()!, this.#before.pop()!];
      if (before < 0) this.#last.delete(token);
      else this.#last.set(token, before);
    }
  }

  /**
   * The last of the longest matches with the end of the text, which has a token or more (prompt look-up;
   * github.com/apoorvumang/prompt-lookup-decoding).
   */
  match(): Match {
    const [tokens, before] = [this.#tokens, this.#before];
    const last = tokens.length - 1;
    let best: Match = { next: last, length: 0 };
    for (let end = before[last]!; end >= best.length && best.length < LONGEST; end = before[end]!) {
      let length = 1;
      while (length < LONGEST && length <= end && tokens[end - length] === tokens[last - length]) length++;
      if (length > best.length) best = { next: end + 1, length };
    }
    return best;
  }
}

/** The confidence that stands for a match of so many tokens, about 0 for none; a predictor learns what it means. */
export function matchConfidence(length: number): number {
  const counted = Math.min(length, LONGEST);
  return counted === 0 ? 0.001 : counted / (counted + 1);
}
