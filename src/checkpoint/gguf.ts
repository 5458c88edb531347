import type { ByteSource } from "../platform/byte-source.ts";
import { describeFile, HEAD_BYTES } from "../util/file-kind.ts";
import { quote } from "../util/text.ts";
import {
  type Checkpoint,
  checkpointOf,
  type CheckpointTensor,
  cutError,
  damagedError,
  type MetadataValue,
  readError,
} from "./checkpoint.ts";
import { describeTypeId, FORMATS, typeOfId } from "./formats.ts";
import { GGUF_TYPES, GgufReader } from "./gguf-reader.ts";
import { interleavedGguf } from "./interleave.ts";

/** The most tensors. A 405B model has 1138; mixtures with a tensor for each expert have some 45 000. */
const MAX_TENSORS = 2 ** 16;
/** The most keys of metadata. Files have 20 to 60. */
const MAX_KEYS = 2 ** 12;
/** The longest key, by the specification. */
const MAX_KEY_BYTES = 65_535;
/** The longest name of a tensor, by the specification. */
const MAX_TENSOR_NAME_BYTES = 64;
/**
 * The longest string that is kept: chat templates have up to 100 kB. What is longer is left out, unread: some files
 * have a whole tokenizer.json, which nothing here asks for, of up to 33 MB.
 */
const MAX_STRING_BYTES = 2 ** 22;
/** The longest string of an array. Tokens have some hundred bytes at most. */
const MAX_ELEMENT_BYTES = 2 ** 12;
/** The longest array. Llama 3 has 280 147 merges, a vocabulary of 262 144 tokens has 514 906. */
const MAX_ARRAY_LENGTH = 2 ** 20;
/** The most dimensions of a tensor, GGML_MAX_DIMS in ggml.h. */
const MAX_DIMENSIONS = 4;
/** The largest alignment in bytes. Files have 32; one beyond the size of a memory page serves nobody. */
const MAX_ALIGNMENT = 2 ** 16;

const { UINT8, BOOL, STRING, ARRAY } = GGUF_TYPES;

/**
 * Opens a model file, or all parts of a split one in their order. Only the headers are read. The checkpoint's `close`
 * closes the sources; where opening fails, they are closed at once. Rejects with an Error of one line where a file is
 * no GGUF (version 2 or 3, little endian), is cut short or damaged, or holds a type that doesn't run here.
 * https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */
export async function openGguf(source: ByteSource | readonly ByteSource[]): Promise<Checkpoint> {
  const sources = "read" in source ? [source] : source;
  const close = async () => void await Promise.all(sources.map((source) => source.close()));
  try {
    const parts: Part[] = [];
    for (const source of sources) parts.push(await readPart(source));
    return join(parts, close);
  } catch (error) {
    await close();
    throw error;
  }
}

/** The most parts that a name is believed. */
const MAX_PARTS = 10_000;

/**
 * The paths of all parts of a split model whose part is at `path`, such as x-00001-of-00004.gguf, with any number of
 * digits; just `path` if it is not named as a part.
 */
export function partPaths(path: string): string[] {
  const [, stem = "", number, total] = /^(.*[-_./\\])?(\d+)-of-(\d+)\.gguf$/is.exec(path) ?? [];
  const count = Number(total);
  if (number === undefined || !(count >= 1 && count <= MAX_PARTS)) return [path];
  const end = path.slice(stem.length + number.length);
  return Array.from({ length: count }, (_, i) => stem + String(i + 1).padStart(number.length, "0") + end);
}

/** One file of a model. */
interface Part {
  readonly name: string;
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  readonly tensors: ReadonlyMap<string, CheckpointTensor>;
}

function join(parts: readonly Part[], close: () => Promise<void>): Checkpoint {
  const [first] = parts;
  if (!first) throw new Error("Cannot read a model: there is no file, one or more are wanted; give a path");
  const { name, metadata } = first;
  const tensors = new Map<string, CheckpointTensor>();
  parts.forEach((part, index) => {
    // A file that was merged from parts still has the keys, with a count of 0.
    const count = part.metadata.get("split.count") || 1;
    const number = count === 1 ? 0 : part.metadata.get("split.no");
    if (count !== parts.length || number !== index) {
      const is = typeof number === "number" ? `part ${number + 1} of ${count}` : "a part without a number";
      throw readError(
        part.name,
        `it is ${is}, wanted part ${index + 1} of ${parts.length}; ` +
          "put all parts into one folder under their own names (x-00001-of-00002.gguf)",
      );
    }
    for (const tensor of part.tensors.values()) {
      if (tensors.has(tensor.name)) throw damagedError(part.name, `two parts have tensor ${quote(tensor.name)}`);
      tensors.set(tensor.name, tensor);
    }
  });
  const wanted = parts.length > 1 ? metadata.get("split.tensors.count") ?? tensors.size : tensors.size;
  if (wanted !== tensors.size) throw damagedError(name, `its parts have ${tensors.size} tensors, wanted ${wanted}`);

  return checkpointOf(name, fitTokens(metadata, tensors), interleavedGguf(metadata, tensors), close);
}

/**
 * The metadata without the tokens that have no row in the embedding, for they can't be fed, and without special tokens
 * whose ids no token has, as llama.cpp takes them. Files of fine-tunes have such: a `<pad>` that was added to the
 * tokenizer alone, an id of -1.
 */
function fitTokens(
  metadata: ReadonlyMap<string, MetadataValue>,
  tensors: ReadonlyMap<string, CheckpointTensor>,
): ReadonlyMap<string, MetadataValue> {
  const tokens = metadata.get("tokenizer.ggml.tokens");
  if (typeof tokens !== "object") return metadata;
  const count = Math.min(tokens.length, tensors.get("token_embd.weight")?.shape[1] ?? Infinity);
  const fitted = new Map(metadata);
  for (const [key, value] of metadata) {
    if (/^tokenizer\.ggml\.(tokens|scores|token_type)$/.test(key) && typeof value === "object") {
      if (value.length > count) fitted.set(key, value.slice(0, count));
    } else if (/^tokenizer\.ggml\.\w+_token_id$/.test(key) && typeof value === "number") {
      if (!(Number.isInteger(value) && value >= 0 && value < count)) fitted.delete(key);
    }
  }
  return fitted;
}

async function readPart(source: ByteSource): Promise<Part> {
  const reader = new GgufReader(source);
  const magic = await reader.numbers(UINT8, 4);
  if (String.fromCharCode(...magic) !== "GGUF") {
    const head = await source.read(0, Math.min(source.size, HEAD_BYTES));
    const found = quote(String.fromCharCode(...magic));
    const state = describeFile(head) ??
      (found.startsWith('"{') ? "it is JSON; give the folder of a model that it is in, or a GGUF file" : undefined);
    throw readError(source.name, state ?? `it begins with ${found}, wanted "GGUF"; give a model in the GGUF format`);
  }
  const version = await reader.u32();
  if (version !== 2 && version !== 3) {
    // In a big-endian file the number's byte is at the other end.
    const state = version !== 0 && version % 2 ** 24 === 0 ? "it is big-endian" : `it has GGUF version ${version}`;
    throw readError(source.name, `${state}, wanted version 2 or 3, little-endian; get or convert the model anew`);
  }
  const tensorCount = await reader.u64();
  const keyCount = await reader.u64();
  // A tensor takes 33 bytes or more: a name's length and letter, dimensions, one size, type and offset. A key takes 14
  // bytes or more: its length and letter, a type and a value.
  reader.assertCount(tensorCount, "tensors", MAX_TENSORS, 33);
  reader.assertCount(keyCount, "keys of metadata", MAX_KEYS, 14);

  reader.section = "its metadata";
  const metadata = new Map<string, MetadataValue>();
  for (let i = 0; i < keyCount; i++) {
    const key = await reader.string("a key", MAX_KEY_BYTES);
    if (metadata.has(key)) throw damagedError(source.name, `it has metadata ${quote(key)} twice`);
    const value = await readValue(reader, key);
    if (value !== undefined) metadata.set(key, value);
  }
  reader.section = "its list of tensors";
  const tensors = new Map<string, CheckpointTensor>();
  for (let i = 0; i < tensorCount; i++) {
    const tensor = await readTensor(reader);
    if (tensors.has(tensor.name)) throw damagedError(source.name, `it has tensor ${quote(tensor.name)} twice`);
    tensors.set(tensor.name, tensor);
  }
  return { name: source.name, metadata, tensors: placeTensors(reader, metadata, tensors) };
}

/** The value under a key; `undefined` where it is a string that is too long to be kept. */
async function readValue(reader: GgufReader, key: string): Promise<MetadataValue | undefined> {
  const type = await reader.u32();
  if (type === STRING) return await reader.stringUpTo(MAX_STRING_BYTES);
  if (type === ARRAY) {
    const elementType = await reader.u32();
    const length = await reader.u64();
    const bytes = elementType === STRING ? 8 : numberBytes(reader, elementType, key);
    reader.assertCount(length, `elements of ${quote(key)}`, MAX_ARRAY_LENGTH, bytes);
    if (elementType !== STRING) return await reader.numbers(elementType, length);
    return await reader.strings(length, `an element of ${quote(key)}`, MAX_ELEMENT_BYTES);
  }
  numberBytes(reader, type, key);
  const value = (await reader.numbers(type, 1))[0]!;
  return type === BOOL ? value === 1 : value;
}

function numberBytes(reader: GgufReader, type: number, key: string): number {
  const bytes = GgufReader.numberBytes(type);
  if (bytes !== undefined) return bytes;
  const state = type === ARRAY ? "is an array of arrays" : `has values of the unknown type ${type}`;
  throw damagedError(reader.source.name, `metadata ${quote(key)} ${state}`);
}

/** Reads a tensor's entry. Its offset counts from the start of the data, which is not known yet. */
async function readTensor(reader: GgufReader): Promise<CheckpointTensor> {
  const { source } = reader;
  const name = await reader.string("a tensor's name", MAX_TENSOR_NAME_BYTES);
  const wrong = (state: string) => damagedError(source.name, `tensor ${quote(name)} has ${state}`);
  const dimensions = await reader.u32();
  if (dimensions < 1 || dimensions > MAX_DIMENSIONS) {
    throw wrong(`${dimensions} dimensions, wanted 1 to ${MAX_DIMENSIONS}`);
  }
  const shape: number[] = [];
  for (let i = 0; i < dimensions; i++) shape.push(await reader.u64());
  const typeId = await reader.u32();
  const offset = await reader.u64();
  const type = typeOfId(typeId);
  if (!type) {
    throw readError(
      source.name,
      `tensor ${quote(name)} is of type ${describeTypeId(typeId)}, supported are ${Object.keys(FORMATS).join(", ")}; ` +
        "get the model in one of these",
    );
  }
  const { blockElements, blockBytes } = FORMATS[type];
  if (shape.includes(0)) throw wrong(`shape [${shape}], wanted no zero in it`);
  if (shape[0]! % blockElements !== 0) {
    throw wrong(`rows of ${shape[0]} elements, wanted a multiple of ${blockElements} for ${type}`);
  }
  const bytes = shape.reduce((product, size) => product * size, 1) / blockElements * blockBytes;
  return { name, type, shape, source, offset, bytes };
}

/**
 * The tensors with their offsets counted from the start of the file. Throws an Error where one ends beyond the file.
 */
function placeTensors(
  reader: GgufReader,
  metadata: ReadonlyMap<string, MetadataValue>,
  tensors: ReadonlyMap<string, CheckpointTensor>,
): Map<string, CheckpointTensor> {
  const { source } = reader;
  const alignment = metadata.get("general.alignment") ?? 32;
  const isPower = typeof alignment === "number" && alignment >= 1 && Number.isInteger(Math.log2(alignment));
  if (!isPower || alignment > MAX_ALIGNMENT) {
    const state = typeof alignment === "object" ? "an array" : quote(`${alignment}`);
    throw damagedError(source.name, `its alignment is ${state}, wanted a power of two up to ${MAX_ALIGNMENT}`);
  }
  const dataStart = Math.ceil(reader.position / alignment) * alignment;
  const placed = new Map<string, CheckpointTensor>();
  for (const tensor of tensors.values()) {
    const offset = dataStart + tensor.offset;
    if (tensor.offset % alignment !== 0) {
      throw damagedError(
        source.name,
        `tensor ${quote(tensor.name)} is at ${tensor.offset}, wanted a multiple of ${alignment}`,
      );
    }
    if (offset + tensor.bytes > source.size) {
      throw cutError(source, `tensor ${quote(tensor.name)}`, offset + tensor.bytes);
    }
    placed.set(tensor.name, { ...tensor, offset });
  }
  return placed;
}
