import type { Tokenizer } from "./tokenizer.ts";

/**
 * Tokens to text that is never taken back: it holds back bytes that are not yet a whole character, and text that may be
 * the beginning of a stop string. The stop string that is complete first ends the text, just before itself (the longest
 * where several end together), so the text does not depend on how it was cut into tokens.
 */
export class TextStream {
  readonly #tokenizer: Pick<Tokenizer, "tokenBytes">;
  readonly #stop: readonly string[];
  // ignoreBOM: U+FEFF is text like any other.
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  /** The longest end of the text so far that begins a stop string. */
  #held = "";
  #stopped = false;

  /** Throws a RangeError for an empty stop string. */
  constructor(tokenizer: Pick<Tokenizer, "tokenBytes">, { stop }: { readonly stop: readonly string[] }) {
    if (stop.includes("")) {
      throw new RangeError('Cannot stop at "": it would end every text at once; give a longer stop string');
    }
    this.#tokenizer = tokenizer;
    this.#stop = stop;
  }

  /** Whether a stop string has ended the text. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Takes the next token; returns the text that is now certain, which is none once a stop string was met. */
  push(token: number): string {
    return this.#add(this.#decoder.decode(this.#tokenizer.tokenBytes(token), { stream: true }));
  }

  /** The end: returns what was held back, with U+FFFD for a character that stayed incomplete. */
  flush(): string {
    const text = this.#add(this.#decoder.decode()) + this.#held;
    this.#held = "";
    return text;
  }

  #add(text: string): string {
    if (this.#stopped) return "";
    this.#held += text;
    const matches = this.#stop.map((stop) => ({ begin: this.#held.indexOf(stop), length: stop.length }))
      .filter(({ begin }) => begin >= 0)
      .sort((a, b) => a.begin + a.length - (b.begin + b.length) || a.begin - b.begin);
    this.#stopped = matches.length > 0;
    const certain = matches[0]?.begin ?? this.#beginOfStop();
    const out = this.#held.slice(0, certain);
    this.#held = this.#stopped ? "" : this.#held.slice(certain);
    return out;
  }

  /** Where the longest end of the held text that begins a stop string starts. */
  #beginOfStop(): number {
    const longest = Math.max(1, ...this.#stop.map((stop) => stop.length)) - 1;
    let at = Math.max(0, this.#held.length - longest);
    while (at < this.#held.length && !this.#stop.some((stop) => stop.startsWith(this.#held.slice(at)))) at++;
    return at;
  }
}
