import type { ByteSource } from "../platform/byte-source.ts";
import { decodeText } from "../util/decode-text.ts";
import { describeFile } from "../util/file-kind.ts";
import { isRecord } from "../util/is-record.ts";
import { quote } from "../util/text.ts";
import { damagedError, readError } from "./checkpoint.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * An object in a JSON file. Its getters throw an Error of one line, which names the file and the key, where the value
 * is not of the type asked for, or is missing and there is no fallback.
 */
export class JsonFile {
  readonly name: string;
  readonly values: JsonObject;

  constructor(name: string, values: JsonObject) {
    this.name = name;
    this.values = values;
  }

  /** Reads a file of at most `maxBytes` bytes. Rejects with an Error where it is longer or holds no JSON object. */
  static async read(source: ByteSource, maxBytes: number, limits = TENSOR_LIMITS): Promise<JsonFile> {
    const bytes = await readWhole(source, maxBytes);
    let values: unknown;
    try {
      const text = decodeText(bytes);
      assertModest(source.name, text, limits);
      values = JSON.parse(text);
    } catch (error) {
      if (!(error instanceof RangeError || error instanceof SyntaxError)) throw error;
      const kind = describeFile(bytes);
      throw kind === null ? damagedError(source.name, "it is no JSON") : readError(source.name, kind);
    }
    if (!isRecord(values)) throw damagedError(source.name, "it is no JSON object");
    return new JsonFile(source.name, values);
  }

  /** The Error that this file can't be read. `state` says why and ends with a remedy. */
  error(state: string): Error {
    return readError(this.name, state);
  }

  /** The Error that the value of a key is not as `wanted`. */
  wrong(key: string, wanted: string): Error {
    return this.error(`${quote(key)} is ${shown(this.values[key])}, wanted ${wanted}; get or convert the model anew`);
  }

  /** The number under a key. `fallback` stands for a missing value and for null. */
  number(key: string, fallback?: number): number {
    const value = this.values[key] ?? fallback;
    if (typeof value !== "number") throw this.wrong(key, "a number");
    return value;
  }

  /** The whole number above 0 under a key. */
  count(key: string, fallback?: number): number {
    const value = this.number(key, fallback);
    if (!Number.isSafeInteger(value) || value < 1) throw this.wrong(key, "a whole number of 1 or more");
    return value;
  }

  /** The boolean under a key. */
  boolean(key: string, fallback: boolean): boolean {
    const value = this.values[key] ?? fallback;
    if (typeof value !== "boolean") throw this.wrong(key, "true or false");
    return value;
  }

  /** The object under a key; `undefined` where the key is missing or null. */
  object(key: string): JsonFile | undefined {
    const value = this.values[key] ?? undefined;
    if (value === undefined) return undefined;
    if (!isRecord(value)) throw this.wrong(key, "an object");
    return new JsonFile(this.name, value);
  }

  /** The array of objects under a key; empty where the key is missing or null. */
  objects(key: string): JsonFile[] {
    const value = this.values[key] ?? [];
    if (!Array.isArray(value) || !value.every(isRecord)) throw this.wrong(key, "an array of objects");
    return value.map((one) => new JsonFile(this.name, one));
  }
}

/** The deepest nesting of JSON that is read. Files of models have 10 levels at most. */
const MAX_DEPTH = 100;

/** The most values, and the most arrays and objects among them, that a JSON file may have. */
export interface JsonLimits {
  readonly values: number;
  readonly lists: number;
}

/** 65 536 tensors with three lists and objects each. A 405B model has 1138, mixtures have some 45 000. */
export const TENSOR_LIMITS: JsonLimits = { values: 2 ** 20, lists: 2 ** 18 };
/** A tokenizer of 262 144 tokens has 1.8 million values, among them 514 906 merges that may be arrays. */
export const TOKENIZER_LIMITS: JsonLimits = { values: 2 ** 21, lists: 2 ** 20 };

/**
 * Throws an Error where JSON has far more in it than a model's files do: every `[]` of three bytes would take ten times
 * as much memory, and what is nested too deep would overflow the stack of whoever walks through it.
 */
export function assertModest(name: string, text: string, limits: JsonLimits): void {
  let [depth, deepest, lists, commas] = [0, 0, 0, 0];
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === QUOTE) {
      while (++i < text.length && text.charCodeAt(i) !== QUOTE) if (text.charCodeAt(i) === BACKSLASH) i++;
    } else if (unit === OPEN_LIST || unit === OPEN_OBJECT) {
      lists++;
      depth++;
      if (depth > deepest) deepest = depth;
    } else if (unit === CLOSE_LIST || unit === CLOSE_OBJECT) depth--;
    else if (unit === COMMA) commas++;
  }
  if (deepest > MAX_DEPTH) throw damagedError(name, `its JSON is nested ${deepest} deep, wanted ${MAX_DEPTH} at most`);
  if (lists > limits.lists) {
    throw damagedError(name, `it has ${lists} arrays and objects, wanted ${limits.lists} at most`);
  }
  const values = lists + commas;
  if (values > limits.values) throw damagedError(name, `it has ${values} values, wanted ${limits.values} at most`);
}

const [QUOTE, BACKSLASH, COMMA, OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = new TextEncoder().encode(
  '"\\,[]{}',
);

/** Reads a file to its end. Rejects with an Error where it has more than `maxBytes` bytes. */
export async function readWhole(source: ByteSource, maxBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  if (source.size > maxBytes) {
    throw damagedError(source.name, `it has ${source.size} bytes, wanted ${maxBytes} at most`);
  }
  return await source.read(0, source.size);
}

/** A value of JSON as errors show it. */
export function shown(value: unknown): string {
  if (value === undefined) return "missing";
  if (Array.isArray(value)) return `an array of ${value.length}`;
  return isRecord(value) ? "an object" : quote(String(value));
}
