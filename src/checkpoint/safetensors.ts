import type { ByteSource } from "../platform/byte-source.ts";
import { quote } from "../util/text.ts";
import { type CheckpointTensor, cutError, damagedError, readError } from "./checkpoint.ts";
import { FORMATS } from "./formats.ts";
import { isRecord } from "../util/is-record.ts";
import { describeFile, HEAD_BYTES } from "../util/file-kind.ts";
import { assertModest, shown, TENSOR_LIMITS } from "./json-file.ts";

/** The longest header. A mixture with a tensor for each expert, 45 000 in all, has 7 MB. */
const MAX_HEADER_BYTES = 2 ** 25;
/** The most tensors, as in a GGUF file. */
const MAX_TENSORS = 2 ** 16;

/** The types of safetensors that run here; they have the same names as ggml's. */
const DTYPES = ["F32", "F16", "BF16"] as const;

/** The tensors of a file by their names. */
export interface Safetensors {
  /** Those of types that run here, with their shapes in ggml's order. */
  readonly tensors: ReadonlyMap<string, CheckpointTensor>;
  /** The types of the others, such as buffers of integers. */
  readonly unsupported: ReadonlyMap<string, string>;
}

/**
 * Reads and checks the header of a safetensors file. Rejects with an Error of one line where the file is no such file,
 * is cut short or damaged. https://github.com/huggingface/safetensors#format
 */
export async function readSafetensors(source: ByteSource): Promise<Safetensors> {
  const damaged = (state: string) => damagedError(source.name, state);
  /** The file may be of another kind altogether, which says more than what is wrong in its header. */
  const foreign = async (error: Error) => {
    const kind = await kindOf(source);
    return kind === null ? error : readError(source.name, kind);
  };

  if (source.size < 8) throw await foreign(cutError(source, "its header's length", 8));
  const prefix = await source.read(0, 8);
  const declared = new DataView(prefix.buffer, prefix.byteOffset).getBigUint64(0, true);
  if (declared > MAX_HEADER_BYTES) {
    throw await foreign(damaged(`its header has ${declared} bytes, wanted ${MAX_HEADER_BYTES} at most`));
  }
  const headerBytes = Number(declared);
  const dataStart = 8 + headerBytes;
  if (dataStart > source.size) throw await foreign(cutError(source, "its header", dataStart));

  let header: unknown;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(await source.read(8, headerBytes));
    assertModest(source.name, text, TENSOR_LIMITS);
    header = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof SyntaxError)) throw error;
    throw damaged("its header is no JSON");
  }
  if (!isRecord(header)) throw damaged("its header is no JSON object");
  const count = Object.keys(header).length;
  if (count > MAX_TENSORS + 1) throw damaged(`it has ${count} tensors, at most ${MAX_TENSORS} are read`);
  const tensors: CheckpointTensor[] = [];
  const unsupported = new Map<string, string>();
  const places: { name: string; offset: number; bytes: number }[] = [];
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const wrong = (state: string) => damaged(`tensor ${quote(name)} ${state}`);
    if (!isRecord(entry)) throw wrong("is no object");
    const { dtype, shape, data_offsets: offsets } = entry;
    if (!isCounts(shape)) throw wrong("has no shape of whole numbers");
    if (!isCounts(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!) {
      throw wrong("has no two data_offsets of whole numbers");
    }
    const [begin, end] = offsets as [number, number];
    const place = { name, offset: dataStart + begin, bytes: end - begin };
    places.push(place);
    const type = DTYPES.find((type) => type === dtype);
    if (!type) {
      unsupported.set(name, typeof dtype === "string" ? dtype : shown(dtype));
      continue;
    }
    if (shape.includes(0)) throw wrong(`has shape [${shape}], wanted no zero in it`);
    const bytes = shape.reduce((product, size) => product * size, FORMATS[type].blockBytes);
    if (place.bytes !== bytes) {
      throw wrong(`has data_offsets [${begin}, ${end}], wanted ${bytes} bytes for ${type} in shape [${shape}]`);
    }
    tensors.push({ ...place, type, shape: shape.toReversed(), source });
  }

  places.sort((a, b) => a.offset - b.offset || a.bytes - b.bytes);
  let end = dataStart;
  for (const { name, offset, bytes } of places) {
    if (offset !== end) {
      throw damaged(`tensor ${quote(name)} begins at ${offset - dataStart}, wanted ${end - dataStart}, without a gap`);
    }
    end += bytes;
    if (end > source.size) throw cutError(source, `tensor ${quote(name)}`, end);
  }
  if (end !== source.size) {
    throw damaged(`its last tensor ends at byte ${end}, the file has ${source.size} bytes`);
  }
  return { tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])), unsupported };
}

/** The Error that a tensor is needed which is of the type `dtype`. */
export function unsupportedError(file: string, tensor: string, dtype: string): Error {
  return readError(
    file,
    `tensor ${quote(tensor)} is of type ${quote(dtype)}, supported are ${DTYPES.join(", ")}; ` +
      "get the checkpoint in one of these, or a GGUF of it",
  );
}

/** What a file is that is none of safetensors, as an error says it; `null` where it has such a header's begin. */
async function kindOf(source: ByteSource): Promise<string | null> {
  const head = await source.read(0, Math.min(source.size, HEAD_BYTES));
  return /^.{4}\0{4}\s*\{/s.test(new TextDecoder("latin1").decode(head)) ? null : describeFile(head);
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((one) => Number.isSafeInteger(one) && one >= 0);
}
