import type { ByteSource } from "../platform/byte-source.ts";
import { quote } from "../util/text.ts";
import type { TensorType } from "./formats.ts";

/** An array of numbers of the file's type; 64-bit integers become doubles, booleans 0 and 1. */
export type NumberArray =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array;

/** A value under a key of a checkpoint's metadata. */
export type MetadataValue = string | number | boolean | readonly string[] | NumberArray;

/** Where a tensor lies and how to read it. No weights are in memory yet. */
export interface CheckpointTensor {
  readonly name: string;
  readonly type: TensorType;
  /** The sizes in ggml's order: `shape[0]` is the row length, which is contiguous; `shape[1]` counts the rows. */
  readonly shape: readonly number[];
  readonly source: ByteSource;
  /** Where the tensor begins, in bytes from the start of `source`. */
  readonly offset: number;
  /** The tensor's size in bytes. */
  readonly bytes: number;
}

/**
 * A model whose header was read, whichever format it came in. Keys and names of tensors are GGUF's: gguf.ts reads them,
 * and hugging-face.ts translates into them.
 */
export interface Checkpoint {
  /** The path of the file (the first of several) or of the folder, for errors. */
  readonly name: string;
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  readonly tensors: ReadonlyMap<string, CheckpointTensor>;
  /**
   * The text under a key, or `fallback` where the key is missing. Throws an Error where both are missing, or where the
   * value has another type.
   */
  string(key: string, fallback?: string): string;
  /**
   * The number under a key, or `fallback` where the key is missing. Throws an Error where both are missing, or where
   * the value has another type.
   */
  number(key: string, fallback?: number): number;
  /** Closes all sources of the tensors. */
  close(): Promise<void>;
}

/** The checkpoint that has these parts; `close` closes the tensors' sources. */
export function checkpointOf(
  name: string,
  metadata: ReadonlyMap<string, MetadataValue>,
  tensors: ReadonlyMap<string, CheckpointTensor>,
  close: () => Promise<void>,
): Checkpoint {
  const read = <T extends string | number>(key: string, fallback: T | undefined, wanted: "string" | "number"): T => {
    const value = metadata.get(key) ?? fallback;
    if (typeof value === wanted) return value as T;
    const state = value === undefined ? "missing" : typeof value === "object" ? "an array" : quote(`${value}`);
    throw readError(name, `"${key}" is ${state}, wanted a ${wanted}; get or convert the model anew`);
  };
  return {
    name,
    metadata,
    tensors,
    string: (key, fallback) => read(key, fallback, "string"),
    number: (key, fallback) => read(key, fallback, "number"),
    close,
  };
}

/**
 * The Error that a model's file `name` can't be read. `state` says what is wrong with the file and ends with a remedy.
 */
export function readError(name: string, state: string): Error {
  return new Error(`Cannot read model "${name}": ${state}`);
}

/** The Error that a file is damaged. `state` says what in it can't be so. */
export function damagedError(name: string, state: string): Error {
  return readError(name, `${state}; the file is damaged, download it again`);
}

/** The Error that the file ends before `what`, which ends at byte `end`. */
export function cutError({ name, size }: ByteSource, what: string, end: number | bigint): Error {
  return readError(
    name,
    `it is cut short or damaged: ${what} ends at byte ${end}, the file has ${size} bytes; ${downloadAgain(name)}`,
  );
}

/** The remedy for a file that is cut short. */
export function downloadAgain(name: string): string {
  const isPart = /\.(part|partial|incomplete|crdownload|download|aria2|tmp)$/i.test(name);
  return isPart ? "by its name its download isn't finished: finish it" : "download it again";
}
