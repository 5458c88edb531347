import { isRecord } from "../util/is-record.ts";
import { quote } from "../util/text.ts";
import type { AddedToken } from "./added-tokens.ts";
import type { JsonStep } from "./pre-tokenizers.ts";

// Readers of the keys that describe a tokenizer. Each throws an Error of one line where a key is missing or has a value
// of another type.

export type Metadata = ReadonlyMap<string, unknown>;

export const PREFIX = "tokenizer.ggml.";
/** Before the keys that tokenizer-json.ts writes: what no GGUF file has of a tokenizer.json, as JSON. */
const JSON_PREFIX = "tokenizer.huggingface.";

function read<T>(metadata: Metadata, key: string, wanted: string, fits: (value: unknown) => value is T): T {
  const value = metadata.get(PREFIX + key);
  if (fits(value)) return value;
  const state = value === undefined ? "missing" : isArray(value) ? `an array of ${value.length}` : quote(`${value}`);
  throw new Error(
    `Cannot load the tokenizer: "${PREFIX}${key}" is ${state}, wanted ${wanted}; get or convert the model anew`,
  );
}

function isArray(value: unknown): value is ArrayLike<unknown> & Iterable<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && "length" in value);
}

export function readString(metadata: Metadata, key: string): string {
  return read(metadata, key, "a string", (value) => typeof value === "string");
}

export function readStrings(metadata: Metadata, key: string): readonly string[] {
  const fits = (value: unknown): value is string[] => Array.isArray(value) && value.every((x) => typeof x === "string");
  return read(metadata, key, "an array of strings", fits);
}

export function readNumbers(metadata: Metadata, key: string, length: number): ArrayLike<number> & Iterable<number> {
  const fits = (value: unknown): value is number[] =>
    isArray(value) && value.length === length && Array.prototype.every.call(value, (x) => typeof x === "number");
  return read(metadata, key, `an array of ${length} numbers`, fits);
}

export function readBoolean(metadata: Metadata, key: string): boolean | undefined {
  if (!metadata.has(PREFIX + key)) return undefined;
  return read(metadata, key, "true or false", (value) => typeof value === "boolean");
}

/** A list of ids. No GGUF file has such a list: hugging-face.ts makes one of that in generation_config.json. */
export function readIds(metadata: Metadata, key: string, vocabulary: number): Iterable<number> {
  if (!metadata.has(PREFIX + key)) return [];
  const fits = (value: unknown): value is number[] =>
    isArray(value) && Array.prototype.every.call(value, (id) => Number.isInteger(id) && id >= 0 && id < vocabulary);
  return read(metadata, key, `token ids below ${vocabulary}`, fits);
}

export function readId(metadata: Metadata, key: string, vocabulary: number): number | undefined {
  if (!metadata.has(PREFIX + key)) return undefined;
  const fits = (value: unknown): value is number =>
    typeof value === "number" && Number.isInteger(value) && value >= 0 && value < vocabulary;
  return read(metadata, key, `a token id below ${vocabulary}`, fits);
}

/** The steps of a tokenizer.json under `key`, in their order; `undefined` where the metadata are those of a GGUF. */
export function readSteps(metadata: Metadata, key: "normalizer" | "pre_tokenizer"): JsonStep[] | undefined {
  return readObjects(metadata, key);
}

/** A tokenizer.json's added tokens; `undefined` where the metadata are those of a GGUF. */
export function readAddedTokens(metadata: Metadata): AddedToken[] | undefined {
  return readObjects(metadata, "added_tokens")?.map(({ id, content, ...flags }) => {
    const isOn = (key: string) => flags[key] === true;
    if (typeof id !== "number" || !(Number.isInteger(id) && id >= 0) || typeof content !== "string") {
      throw new Error(
        `Cannot load the tokenizer: its added token ${quote(`${content}`)} has no id; get the model anew`,
      );
    }
    return {
      id,
      content,
      special: isOn("special"),
      lstrip: isOn("lstrip"),
      rstrip: isOn("rstrip"),
      singleWord: isOn("single_word"),
      normalized: isOn("normalized"),
    };
  });
}

/** The members of a tokenizer.json's model that say how it merges. */
export function readModel(metadata: Metadata): JsonStep {
  return readObjects(metadata, "model")?.[0] ?? {};
}

function readObjects(metadata: Metadata, key: string): JsonStep[] | undefined {
  const json = metadata.get(JSON_PREFIX + key);
  if (json === undefined) return undefined;
  let value: unknown;
  try {
    value = typeof json === "string" ? JSON.parse(json) : json;
  } catch {
    value = json;
  }
  if (Array.isArray(value) && value.every(isRecord)) return value;
  throw new Error(
    `Cannot load the tokenizer: "${JSON_PREFIX}${key}" is no list in JSON; get or convert the model anew`,
  );
}
