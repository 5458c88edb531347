import type { ByteSource } from "../platform/byte-source.ts";
import { damagedError, downloadAgain, type NumberArray, readError } from "./checkpoint.ts";

/** A header is read by windows of this many bytes, so that no read is tiny; a longer item gets a longer window. */
const WINDOW_BYTES = 2 ** 20;
/**
 * The longest header, without strings that are left out. Llama 3's has 8 MB, one with 262 144 tokens 16 MB. A far
 * longer one is damaged, and would fill the memory.
 */
const MAX_HEADER_BYTES = 2 ** 25;

/** The most strings in all arrays together. A vocabulary of 262 144 tokens has 777 050 with its merges. */
const MAX_STRINGS = 2 ** 21;

/** Numbers of types that the code names, from `enum gguf_type`. */
export const GGUF_TYPES = { UINT8: 0, UINT32: 4, BOOL: 7, STRING: 8, ARRAY: 9, UINT64: 10 } as const;

/** How a value of each type of number is read, by the type's number in `enum gguf_type`. */
const NUMBER_TYPES: Readonly<Record<number, { bytes: number; from: (buffer: ArrayBuffer) => NumberArray }>> = {
  0: { bytes: 1, from: (buffer) => new Uint8Array(buffer) },
  1: { bytes: 1, from: (buffer) => new Int8Array(buffer) },
  2: { bytes: 2, from: (buffer) => new Uint16Array(buffer) },
  3: { bytes: 2, from: (buffer) => new Int16Array(buffer) },
  4: { bytes: 4, from: (buffer) => new Uint32Array(buffer) },
  5: { bytes: 4, from: (buffer) => new Int32Array(buffer) },
  6: { bytes: 4, from: (buffer) => new Float32Array(buffer) },
  7: { bytes: 1, from: (buffer) => new Uint8Array(buffer).map((byte) => byte === 0 ? 0 : 1) },
  10: { bytes: 8, from: (buffer) => doubles(new Uint32Array(buffer), new Uint32Array(buffer)) },
  11: { bytes: 8, from: (buffer) => doubles(new Uint32Array(buffer), new Int32Array(buffer)) },
  12: { bytes: 8, from: (buffer) => new Float64Array(buffer) },
};

/** 64-bit integers as doubles, from their low words at even indices and their high words at odd ones. */
function doubles(low: Uint32Array, high: Uint32Array | Int32Array): Float64Array {
  const values = new Float64Array(low.length / 2);
  for (let i = 0; i < values.length; i++) values[i] = high[2 * i + 1]! * 2 ** 32 + low[2 * i]!;
  return values;
}

/** Reads a GGUF file's header from start to end, a window at a time. Each method throws Errors of one line only. */
export class GgufReader {
  readonly source: ByteSource;
  /** The part of the file that is being read, as errors name it, such as "its metadata". */
  section = "its first bytes";
  #window = new Uint8Array(0);
  #view = new DataView(this.#window.buffer);
  #windowAt = 0;
  /** The offset of the next byte in the window. */
  #next = 0;
  /** How many bytes were left out. */
  #skipped = 0;
  #strings = 0;

  constructor(source: ByteSource) {
    this.source = source;
  }

  /** The offset of the next byte in the file. */
  get position(): number {
    return this.#windowAt + this.#next;
  }

  /**
   * Throws an Error where a count from the file is above `max`, or where the file has too few bytes left for `count`
   * items of at least `bytes` bytes each. Callers ask this before they allocate memory for the items.
   */
  assertCount(count: number, what: string, max: number, bytes: number): void {
    if (count > max) {
      throw damagedError(this.source.name, `it has ${count} ${what}, at most ${max} are read`);
    }
    this.#assertLeft(count * bytes);
  }

  async u32(): Promise<number> {
    return (await this.numbers(GGUF_TYPES.UINT32, 1))[0]!;
  }

  /** Reads a 64-bit number as a double: exact up to 2^53, and above all limits beyond that. */
  async u64(): Promise<number> {
    return (await this.numbers(GGUF_TYPES.UINT64, 1))[0]!;
  }

  /** The size in bytes of a number of this GGUF type; `undefined` if it is no type of numbers. */
  static numberBytes(type: number): number | undefined {
    return NUMBER_TYPES[type]?.bytes;
  }

  /** Reads `count` numbers of a GGUF type that is a type of numbers. */
  async numbers(type: number, count: number): Promise<NumberArray> {
    const { bytes, from } = NUMBER_TYPES[type]!;
    if (!this.#has(count * bytes)) await this.#fill(count * bytes);
    return from(this.#take(count * bytes).slice().buffer);
  }

  /** Reads a string of at most `maxBytes` bytes, which errors call `what`. */
  async string(what: string, maxBytes: number): Promise<string> {
    return (await this.strings(1, what, maxBytes))[0]!;
  }

  /** Reads a string; leaves it out where it has more than `maxBytes` bytes. */
  async stringUpTo(maxBytes: number): Promise<string | undefined> {
    const length = await this.u64();
    this.#assertLeft(length);
    if (length <= maxBytes) {
      if (!this.#has(length)) await this.#fill(length);
      return UTF8.decode(this.#take(length));
    }
    this.#skipped += length;
    this.#windowAt = this.position + length;
    this.#window = new Uint8Array(0);
    this.#next = 0;
    return undefined;
  }

  /** Reads strings; awaits only where the window ends, as vocabularies have up to 400 000 strings. */
  async strings(count: number, what: string, maxBytes: number): Promise<string[]> {
    this.#strings += count;
    if (this.#strings > MAX_STRINGS) {
      throw damagedError(this.source.name, `it has ${this.#strings} strings, at most ${MAX_STRINGS} are read`);
    }
    const strings: string[] = [];
    while (strings.length < count) {
      if (!this.#has(8)) await this.#fill(8);
      const length = this.#view.getUint32(this.#next, true) + this.#view.getUint32(this.#next + 4, true) * 2 ** 32;
      this.#next += 8;
      if (length > maxBytes || !this.#has(length)) {
        this.assertCount(length, `bytes of ${what}`, maxBytes, 1);
        await this.#fill(length);
      }
      strings.push(UTF8.decode(this.#take(length)));
    }
    return strings;
  }

  #assertLeft(bytes: number): void {
    const { name, size } = this.source;
    if (bytes <= size - this.position) return;
    throw readError(
      name,
      `it is cut short or damaged within ${this.section}: ${bytes} bytes are to follow byte ${this.position}, ` +
        `the file has ${size}; ${downloadAgain(name)}`,
    );
  }

  #has(length: number): boolean {
    return this.#window.length - this.#next >= length;
  }

  #take(length: number): Uint8Array<ArrayBuffer> {
    this.#next += length;
    return this.#window.subarray(this.#next - length, this.#next);
  }

  /** Moves the window so that it holds the next `length` bytes. */
  async #fill(length: number): Promise<void> {
    const { position, source } = this;
    this.#assertLeft(length);
    if (position - this.#skipped + length > MAX_HEADER_BYTES) {
      throw damagedError(source.name, `its header goes beyond ${MAX_HEADER_BYTES} bytes, the most read`);
    }
    this.#window = await source.read(position, Math.min(Math.max(length, WINDOW_BYTES), source.size - position));
    this.#view = new DataView(this.#window.buffer);
    this.#windowAt = position;
    this.#next = 0;
  }
}

/** Bytes that are not UTF-8 become U+FFFD; a leading U+FEFF is a token like others. */
const UTF8 = new TextDecoder("utf-8", { ignoreBOM: true });
