import type { Token } from "./lexer.ts";

/** How deep expressions and blocks may stand in each other. Jinja2 ends at about 75 parentheses. */
const MAX_DEPTH = 100;

/** A template's tokens as a parser walks them. */
export class TokenStream {
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  get current(): Token {
    return this.#tokens[this.#at]!;
  }

  get next(): Token {
    return this.#tokens[Math.min(this.#at + 1, this.#tokens.length - 1)]!;
  }

  /** The current token, and goes to the next. */
  take(): Token {
    const token = this.current;
    if (token.type !== "eof") this.#at++;
    return token;
  }

  isOperator(...texts: readonly string[]): boolean {
    return this.current.type === "operator" && texts.includes(this.current.text);
  }

  isName(...texts: readonly string[]): boolean {
    return this.current.type === "name" && texts.includes(this.current.text);
  }

  skipOperator(text: string): boolean {
    const isThere = this.isOperator(text);
    if (isThere) this.#at++;
    return isThere;
  }

  skipName(text: string): boolean {
    const isThere = this.isName(text);
    if (isThere) this.#at++;
    return isThere;
  }

  expectOperator(text: string): void {
    if (!this.skipOperator(text)) this.fail(`expected '${text}', got ${this.shown()}`);
  }

  /** Takes a name, one of `texts` where some are given. */
  expectName(...texts: readonly string[]): string {
    if (this.current.type === "name" && (texts.length === 0 || texts.includes(this.current.text))) {
      return this.take().text;
    }
    return this.fail(`expected ${texts.length ? `'${texts[0]}'` : "a name"}, got ${this.shown()}`);
  }

  expectEnd(): void {
    if (this.current.type !== "end") this.fail(`expected the end of the tag, got ${this.shown()}`);
    this.#at++;
  }

  /** The current token in a message. */
  shown(): string {
    const { type, text } = this.current;
    return type === "eof" ? "the end of the template" : type === "string" ? "a string" : `'${text}'`;
  }

  /** What `parse` gives, one level deeper. */
  nested<T>(parse: () => T): T {
    if (++this.#depth > MAX_DEPTH) this.fail("expressions or blocks stand too deep in each other");
    const parsed = parse();
    this.#depth--;
    return parsed;
  }

  fail(message: string): never {
    throw new Error(`line ${this.current.line}: ${message}`);
  }
}
