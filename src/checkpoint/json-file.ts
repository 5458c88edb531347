import type { ByteSource } from "../platform/byte-source.ts";
import { decodeText } from "../util/decode-text.ts";
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
  static async read(source: ByteSource, maxBytes: number): Promise<JsonFile> {
    const bytes = await readWhole(source, maxBytes);
    let values: unknown;
    try {
      values = JSON.parse(decodeText(bytes));
    } catch {
      throw damagedError(source.name, "it is no JSON");
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
