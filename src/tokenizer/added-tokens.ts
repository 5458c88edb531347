import { MAX_ADDED_CHARACTERS } from "../checkpoint/token-types.ts";
import { AhoCorasick } from "./aho-corasick.ts";

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

const WORD_BEFORE = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]$/v;
const WORD_AFTER = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/v;
const SPACE = /^\p{White_Space}$/v;

/**
 * Finds added tokens as Hugging Face's tokenizers do (added_vocabulary.rs): from left to right, at each place the
 * longest one.
 */
export class AddedTokens {
  readonly #tokens: readonly AddedToken[];
  readonly #contents: readonly string[];
  readonly #finder: AhoCorasick;

  /**
   * `contentOf` is the text by which a token is found; of two that are found by one text, the first one counts. Throws
   * an Error of one line where these texts are far longer than those of any model.
   */
  constructor(tokens: readonly AddedToken[], contentOf = (token: AddedToken): string => token.content) {
    let characters = 0;
    this.#tokens = tokens;
    this.#contents = tokens.map((token) => {
      const content = contentOf(token);
      characters += content.length;
      if (characters <= MAX_ADDED_CHARACTERS) return content;
      throw new Error(
        `Cannot load the tokenizer: the texts of its added tokens have more than ${MAX_ADDED_CHARACTERS} characters; ` +
          "get or convert the model anew",
      );
    });
    this.#finder = new AhoCorasick(this.#contents);
  }

  /**
   * The parts of a text; `atStart` says whether the text is the beginning of all. Without `special`, a control token is
   * text, all of it, whatever other tokens are in it.
   */
  split(text: string, { atStart, special }: { readonly atStart: boolean; readonly special: boolean }): Part[] {
    const parts: Part[] = [];
    let offset = 0;
    const addText = (end: number) => {
      if (offset < end) parts.push({ text: text.slice(offset, end), atStart: atStart && offset === 0 });
    };
    const spacesEnd = spacesEnder(text);
    for (const { token, begin, end } of this.#matches(text)) {
      if (token.special && !special) continue;
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
    if (this.#tokens.length === 0) return;
    const longest = this.#finder.longest(text);
    for (let begin = 0; begin < text.length;) {
      const index = longest[begin]!;
      const end = index === -1 ? begin + 1 : begin + this.#contents[index]!.length;
      if (index !== -1) yield { token: this.#tokens[index]!, begin, end };
      begin = end;
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
