/** A token that is looked for in the text itself, before anything cuts or merges it. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** A control token: its text may also be meant as text. */
  readonly special: boolean;
  /** White space to its left, or right, belongs to it. */
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  /** It is not taken where a letter, a digit or an underscore is beside it. */
  readonly singleWord: boolean;
  /** It is looked for in the text as the normalizer leaves it. */
  readonly normalized: boolean;
}

/** A part of a text: an added token, or text between two of them. */
export type Part = { readonly token: AddedToken } | { readonly text: string; readonly atStart: boolean };

interface Node {
  readonly next: Map<number, Node>;
  token?: AddedToken;
}

const WORD_BEFORE = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]$/v;
const WORD_AFTER = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/v;
const SPACE = /^\p{White_Space}$/v;

/**
 * Finds added tokens as Hugging Face's tokenizers do (added_vocabulary.rs): from left to right, at each place the
 * longest one.
 */
export class AddedTokens {
  readonly #root: Node = { next: new Map() };

  /** `contentOf` is the text by which a token is found. */
  constructor(tokens: Iterable<AddedToken>, contentOf = (token: AddedToken): string => token.content) {
    for (const token of tokens) {
      const content = contentOf(token);
      if (content === "") continue;
      let node = this.#root;
      for (let i = 0; i < content.length; i++) {
        const unit = content.charCodeAt(i);
        const next = node.next.get(unit) ?? { next: new Map() };
        node.next.set(unit, next);
        node = next;
      }
      // Of two tokens that are found by one text, the first one counts.
      node.token ??= token;
    }
  }

  /** The parts of a text; `atStart` says whether the text is the beginning of all. */
  split(text: string, atStart: boolean): Part[] {
    const parts: Part[] = [];
    let offset = 0;
    const addText = (end: number) => {
      if (offset < end) parts.push({ text: text.slice(offset, end), atStart: atStart && offset === 0 });
    };
    const spacesEnd = spacesEnder(text);
    for (const { token, begin, end } of this.#matches(text)) {
      if (token.singleWord && isInWord(text, begin, end)) continue;
      let from = token.lstrip ? Math.max(begin, offset) : begin;
      if (token.lstrip) { while (from > offset && SPACE.test(text[from - 1]!)) from--; }
      addText(from);
      const to = token.rstrip ? spacesEnd(end) : end;
      // A token before it may have taken all of its text.
      if (from < to) parts.push({ token });
      offset = to;
    }
    addText(text.length);
    return parts;
  }

  *#matches(text: string): Generator<{ token: AddedToken; begin: number; end: number }> {
    for (let begin = 0; begin < text.length;) {
      let token: AddedToken | undefined;
      let end = begin;
      let node = this.#root.next.get(text.charCodeAt(begin));
      for (let at = begin + 1; node; at++) {
        if (node.token) [token, end] = [node.token, at];
        node = at < text.length ? node.next.get(text.charCodeAt(at)) : undefined;
      }
      if (token) yield { token, begin, end };
      begin = token ? end : begin + 1;
    }
  }
}

function isInWord(text: string, begin: number, end: number): boolean {
  return WORD_BEFORE.test(text.slice(Math.max(0, begin - 2), begin)) || WORD_AFTER.test(text.slice(end, end + 2));
}

/** Where the white space from a place on ends. A run of it is gone through once, however often it is asked about. */
function spacesEnder(text: string): (from: number) => number {
  let [runBegin, runEnd] = [0, 0];
  return (from) => {
    if (from >= runBegin && from < runEnd) return runEnd;
    runBegin = runEnd = from;
    while (runEnd < text.length && SPACE.test(text[runEnd]!)) runEnd++;
    return runEnd;
  };
}
