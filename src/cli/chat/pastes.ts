import { Buffer } from "node:buffer";
import { Transform, type TransformCallback } from "node:stream";

/** Has the terminal mark what is pasted (bracketed paste, invisible-island.net/xterm/ctlseqs); and no more. */
const [MARK_PASTES, LEAVE_PASTES] = ["\x1b[?2004h", "\x1b[?2004l"];
const [BEGIN, END] = ["\x1b[200~", "\x1b[201~"];

/** The escape sequence of a key, or a character. */
const KEYS = /\x1b(?:[[O][\d;]*[A-Za-z~])?|[^]/gu;

/** What stands for a newline and a tab of a pasted text while its line is edited. */
const STAND_INS: Readonly<Record<string, string>> = { "\n": "↵", "\t": "⇥" };

/**
 * A terminal's input without what is pasted: that is given as one line, so that it can be edited and is one message.
 * readline would take each of its lines for one, and a tab for a wish to complete.
 */
export class Pastes extends Transform {
  readonly isTTY = true;
  readonly #input: NodeJS.ReadStream;
  readonly #output: NodeJS.WriteStream;
  readonly #onPaste: (line: string) => void;
  #isPasted = false;
  #pasted = "";
  /** The beginning of a mark, whose rest comes with the next bytes. */
  #held = "";

  /** `onPaste` takes a pasted text as one line; all else is read from here. */
  constructor(input: NodeJS.ReadStream, output: NodeJS.WriteStream, onPaste: (line: string) => void) {
    super();
    this.#onPaste = onPaste;
    this.#input = input;
    this.#output = output;
    output.write(MARK_PASTES);
    input.pipe(this);
  }

  /** For readline, which edits. */
  setRawMode(isRaw: boolean): this {
    this.#input.setRawMode(isRaw);
    return this;
  }

  /** A line with the newlines and tabs that were pasted. */
  static text(line: string): string {
    return Object.entries(STAND_INS).reduce((text, [own, standIn]) => text.replaceAll(standIn, own), line);
  }

  /** Leaves the terminal as it was, and reads no more of it. */
  leave(): void {
    this.#output.write(LEAVE_PASTES);
    this.#input.unpipe(this);
    this.#input.pause();
  }

  // Bytes are taken for characters until a mark is found, so that a character whose bytes come apart stays whole.
  override _transform(bytes: Uint8Array, _: BufferEncoding, done: TransformCallback): void {
    let text = this.#held + Buffer.from(bytes).toString("latin1");
    this.#held = "";
    for (;;) {
      const mark = this.#isPasted ? END : BEGIN;
      const at = text.indexOf(mark);
      const part = at < 0 ? this.#withoutBegun(text, mark) : text.slice(0, at);
      if (this.#isPasted) this.#pasted += part;
      // Characters that come in one piece, but for the last, readline puts at the line's end wherever the cursor is.
      else for (const [key] of part.matchAll(KEYS)) this.push(Buffer.from(key, "latin1"));
      if (at < 0) return done();
      if (this.#isPasted) this.#onPaste(asOneLine(Buffer.from(this.#pasted, "latin1").toString("utf8")));
      this.#pasted = "";
      this.#isPasted = !this.#isPasted;
      text = text.slice(at + mark.length);
    }
  }

  /** The text but for a mark's beginning at its end. A lone escape is none: that is a key. */
  #withoutBegun(text: string, mark: string): string {
    for (let length = mark.length - 1; length >= 2; length--) {
      if (!text.endsWith(mark.slice(0, length))) continue;
      this.#held = text.slice(-length);
      return text.slice(0, -length);
    }
    return text;
  }
}

function asOneLine(text: string): string {
  return text.replace(/\r\n?/g, "\n").replace(/[\n\t]/g, (own) => STAND_INS[own]!);
}
