import { createReadStream } from "node:fs";
import { createGunzip } from "node:zlib";
import { decodeText, encodingOf } from "../util/decode-text.ts";

/** A row of a dataset's file. */
export interface Row {
  /** As `line 4` or `row 4`, from 1. */
  readonly name: string;
  /**
   * Parses the row. Gives the RangeError of `decodeText` where it is no text; rejects with a SyntaxError, without the
   * file's name, where it is no JSON.
   */
  value(): Promise<unknown>;
}

/** The most bytes of a row. The longest conversations of public datasets have under 1 MiB. */
const MAX_ROW_BYTES = 2 ** 24;
const CHUNK_BYTES = 2 ** 18;

/**
 * The rows of a file of JSON values: one a line or one behind another, or the elements of one array; gzipped or not; in
 * UTF-8 or UTF-16. No more than a row is held at once, however far a gzip stream unfolds. Throws a SyntaxError, without
 * the file's name, where a row is too long, an array or a gzip stream is cut short or damaged.
 */
export async function* textRows(path: string, isGzip: boolean): AsyncGenerator<Row, void, undefined> {
  const splitter = new RowSplitter();
  for await (const chunk of utf8Chunks(isGzip ? gunzippedChunks(path) : fileChunks(path, 0))) {
    yield* splitter.push(chunk);
  }
  yield* splitter.end();
}

function fileChunks(path: string, start: number): AsyncIterable<Uint8Array> {
  return createReadStream(path, { start, highWaterMark: CHUNK_BYTES });
}

/**
 * The content of a gzip file: of all its members (RFC 1952, section 2.2), with zeros between and behind them or not.
 */
async function* gunzippedChunks(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  for (let start: number | null = 0; start !== null;) {
    const gunzip = createGunzip();
    const from: number = start;
    const feed = async () => {
      let fed = 0;
      for await (const chunk of fileChunks(path, from)) {
        await new Promise<void>((resolve, reject) => gunzip.write(chunk, (error) => error ? reject(error) : resolve()));
        fed += chunk.length;
        // Zlib takes members that stand side by side for one stream, and stops at a zero.
        if (gunzip.bytesWritten < fed) break;
      }
      gunzip.end();
    };
    feed().catch((error) => gunzip.destroy(error));
    try {
      yield* gunzip;
    } catch (cause) {
      throw new SyntaxError("its gzip stream is damaged or cut short; fetch it again", { cause });
    }
    start = await nextNonZero(path, from + gunzip.bytesWritten);
  }
}

/** The offset of the first byte from `start` on that isn't 0; null where there is none. */
async function nextNonZero(path: string, start: number): Promise<number | null> {
  let offset = start;
  for await (const chunk of fileChunks(path, start)) {
    const at = chunk.findIndex((byte) => byte !== 0);
    if (at >= 0) return offset + at;
    offset += chunk.length;
  }
  return null;
}

/** The text as UTF-8 without a byte order mark. */
async function* utf8Chunks(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const encoder = new TextEncoder();
  let head = new Uint8Array(0);
  let decode: ((bytes?: Uint8Array) => string) | null = null;
  let isBegun = false;
  for await (const chunk of chunks) {
    let next = chunk;
    if (!isBegun) {
      head = concat([head, chunk]);
      if (head.length < 4) continue;
      isBegun = true;
      const { name, markBytes } = encodingOf(head);
      if (name !== "utf-8") decode = utf16Decoder(name);
      next = head.subarray(markBytes);
    }
    yield decode ? encoder.encode(decode(next)) : next;
  }
  if (!isBegun) yield encoder.encode(new TextDecoder().decode(head));
  decode?.();
}

/** Decodes piece by piece, and is called without one at the end. Throws a SyntaxError where that is no UTF-16. */
function utf16Decoder(name: string): (bytes?: Uint8Array) => string {
  const decoder = new TextDecoder(name, { fatal: true, ignoreBOM: true });
  return (bytes) => {
    try {
      return decoder.decode(bytes, { stream: bytes !== undefined });
    } catch (cause) {
      throw new SyntaxError("its UTF-16 is damaged or cut short; save it as UTF-8", { cause });
    }
  };
}

const [NEWLINE, QUOTE, COMMA, OPEN_ARRAY, BACKSLASH, CLOSE_ARRAY, OPEN, CLOSE] = [10, 34, 44, 91, 92, 93, 123, 125];

/** Cuts a stream of UTF-8 into JSON values by their brackets and strings. Whether they are JSON shows when parsed. */
class RowSplitter {
  /** The bytes of the row so far that stood in chunks before; null between rows. */
  #pieces: Uint8Array[] | null = null;
  #pieceBytes = 0;
  /** Whether rows are the elements of an array; null before the first byte. */
  #isArray: boolean | null = null;
  #isClosed = false;
  #depth = 0;
  #isString = false;
  #isEscaped = false;
  #rows = 0;
  #line = 1;
  #startLine = 1;

  /** The rows that the chunk brings to their end. */
  push(chunk: Uint8Array): Row[] {
    const rows: Row[] = [];
    let start = 0;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i]!;
      if (this.#pieces === null) {
        if (byte === NEWLINE) this.#line++;
        if (!this.#begins(byte)) continue;
        this.#pieces = [];
        this.#startLine = this.#line;
        start = i;
      } else if (byte === NEWLINE) this.#line++;
      const ends = this.#step(byte);
      if (ends === null) continue;
      // What ends a row without belonging to it is looked at again, as what stands between rows.
      const end = ends === "behind" ? i + 1 : i;
      rows.push(this.#row(chunk.subarray(start, end)));
      if (ends === "before") {
        if (byte === NEWLINE) this.#line--;
        i--;
      }
    }
    if (this.#pieces !== null) this.#hold(chunk.subarray(start));
    return rows;
  }

  /** The row that the end of the file ends, if any. */
  end(): Row[] {
    const rows = this.#pieces === null ? [] : [this.#row(new Uint8Array(0))];
    if (rows.length === 0 && this.#isArray && !this.#isClosed) {
      throw new SyntaxError("it is cut short, wanted an array of objects; fetch it again");
    }
    return rows;
  }

  /** Whether a byte between rows begins one. */
  #begins(byte: number): boolean {
    if (byte === 32 || byte === 9 || byte === NEWLINE || byte === 13) return false;
    if (this.#isClosed) {
      throw new SyntaxError(`line ${this.#line} goes on behind the array, wanted nothing there; give one array a file`);
    }
    if (this.#isArray === null) {
      this.#isArray = byte === OPEN_ARRAY;
      if (this.#isArray) return false;
    }
    if (!this.#isArray) return true;
    this.#isClosed = byte === CLOSE_ARRAY;
    return !this.#isClosed && byte !== COMMA;
  }

  /** Whether the row ends before or behind this byte of it. */
  #step(byte: number): "before" | "behind" | null {
    if (this.#isString) {
      if (this.#isEscaped) this.#isEscaped = false;
      else if (byte === BACKSLASH) this.#isEscaped = true;
      else if (byte === QUOTE) this.#isString = false;
      // No string goes on over the end of a line: the row was cut, and the next line is another.
      return byte === NEWLINE ? "before" : null;
    }
    if (byte === QUOTE) this.#isString = true;
    else if (byte === OPEN || byte === OPEN_ARRAY) this.#depth++;
    else if (this.#depth > 0) {
      if (byte !== CLOSE && byte !== CLOSE_ARRAY) return null;
      this.#depth--;
      return this.#depth === 0 ? "behind" : null;
    } else if (byte === NEWLINE || this.#isArray && (byte === COMMA || byte === CLOSE_ARRAY)) return "before";
    return null;
  }

  #hold(piece: Uint8Array): void {
    this.#pieceBytes += piece.length;
    if (this.#pieceBytes > MAX_ROW_BYTES) {
      throw new SyntaxError(`${this.#name()} has over ${MAX_ROW_BYTES} bytes, wanted a JSON object of fewer`);
    }
    this.#pieces!.push(piece);
  }

  #name(): string {
    return this.#isArray ? `row ${this.#rows + 1}` : `line ${this.#startLine}`;
  }

  #row(last: Uint8Array): Row {
    const name = this.#name();
    this.#hold(last);
    const bytes = concat(this.#pieces!);
    this.#pieces = null;
    [this.#pieceBytes, this.#depth, this.#isString, this.#isEscaped] = [0, 0, false, false];
    this.#rows++;
    return { name, value: async () => parseJson(bytes, name) };
  }
}

function concat(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** A string of JSON, or a number that Python's json writes though JSON has none. */
const STRING_OR_NO_NUMBER = /"[^"\\]*(?:\\.[^"\\]*)*"|-?Infinity|NaN/g;

function parseJson(bytes: Uint8Array, name: string): unknown {
  let text: string;
  try {
    text = decodeText(bytes);
  } catch (error) {
    return error;
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    try {
      return JSON.parse(text.replace(STRING_OR_NO_NUMBER, (part) => part.startsWith('"') ? part : "null"));
    } catch {
      throw new SyntaxError(`${name} is not JSON, or cut short, wanted a JSON object a line, or an array of them`, {
        cause,
      });
    }
  }
}
