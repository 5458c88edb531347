import type { Tokenizer } from "./tokenizer.ts";

/**
 * Turns tokens into text that is never taken back. Bytes that are not yet a whole character are held back, and so is
 * text that may be the beginning of a stop string. The stop string that is complete first ends the text just before
 * itself; where several are complete at the same place, the longest counts. So the text does not depend on how it was
 * cut into tokens.
 */
export class TextStream {
  readonly #tokenizer: Pick<Tokenizer, "tokenBytes">;
  readonly #stop: readonly string[];
  // With ignoreBOM, U+FEFF is text like any other.
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  /** The longest end of the text so far with which a stop string begins. */
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

  /** Takes the next token and returns the text that is certain now: "" once a stop string has ended the text. */
  push(token: number): string {
    return this.#add(this.#decoder.decode(this.#tokenizer.tokenBytes(token), { stream: true }));
  }

  /** Ends the text: returns the text that was held back, with U+FFFD for a character that stayed incomplete. */
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

  /** The index in the held text from which a stop string may go on. */
  #beginOfStop(): number {
    const longest = Math.max(1, ...this.#stop.map((stop) => stop.length)) - 1;
    let at = Math.max(0, this.#held.length - longest);
    while (at < this.#held.length && !this.#stop.some((stop) => stop.startsWith(this.#held.slice(at)))) at++;
    return at;
  }
}
