import type { ByteSource } from "../platform/byte-source.ts";
import { ARCHITECTURES } from "./architectures.ts";
import type { CheckpointTensor, MetadataValue } from "./checkpoint.ts";
import { FORMATS } from "./formats.ts";

/** The tensors that RoPE's order concerns: their rows, or their elements where they are vectors. */
const TURNED = /^blk\.\d+\.(attn_[qk]\.(weight|bias)|attn_[qk]_norm\.weight)$/;

/** The length of a head of Q and K, and how many of its elements RoPE turns; NaN where the metadata lacks them. */
export function headSizes(
  metadata: ReadonlyMap<string, MetadataValue>,
  architecture: string,
): { headSize: number; ropeSize: number } {
  const numberOf = (key: string) => {
    const value = metadata.get(`${architecture}.${key}`);
    return typeof value === "object" ? Number(value[0]) : typeof value === "number" ? value : undefined;
  };
  const headSize = numberOf("attention.key_length") ??
    (numberOf("embedding_length") ?? NaN) / (numberOf("attention.head_count") ?? NaN);
  return { headSize, ropeSize: numberOf("rope.dimension_count") ?? headSize };
}

/**
 * The tensors with Q and K in the order of a Llama's GGUF, where RoPE turns elements 2i and 2i + 1 of a head together.
 * In the order of Hugging Face's checkpoints, and of GGUF files of some architectures, it turns i and i + ropeSize / 2.
 * The rows are put in order when they are read. What is no number of whole heads stays as it is, and is refused later.
 */
export function interleaved(
  tensors: ReadonlyMap<string, CheckpointTensor>,
  { headSize, ropeSize }: { readonly headSize: number; readonly ropeSize: number },
): ReadonlyMap<string, CheckpointTensor> {
  const fits = Number.isInteger(headSize) && Number.isInteger(ropeSize / 2) && ropeSize >= 2 && ropeSize <= headSize;
  if (!fits) return tensors;
  return new Map(
    [...tensors].map(([name, tensor]) => {
      const rows = tensor.shape.length === 1 ? tensor.shape[0]! : tensor.shape[1]!;
      const isWhole = tensor.shape.length <= 2 && rows % headSize === 0 &&
        (tensor.shape.length === 2 || FORMATS[tensor.type].blockElements === 1);
      return [name, TURNED.test(name) && isWhole ? interleave(tensor, rows, headSize, ropeSize) : tensor];
    }),
  );
}

/** The tensors of a GGUF file, with Q and K in a Llama's order. */
export function interleavedGguf(
  metadata: ReadonlyMap<string, MetadataValue>,
  tensors: ReadonlyMap<string, CheckpointTensor>,
): ReadonlyMap<string, CheckpointTensor> {
  const architecture = `${metadata.get("general.architecture")}`;
  const isHalfSplit = Object.hasOwn(ARCHITECTURES, architecture) && ARCHITECTURES[architecture]!.halfSplit;
  return isHalfSplit ? interleaved(tensors, headSizes(metadata, architecture)) : tensors;
}

function interleave(tensor: CheckpointTensor, rows: number, headSize: number, ropeSize: number): CheckpointTensor {
  const { source, offset: start, bytes: size } = tensor;
  const rowBytes = size / rows;
  const headBytes = rowBytes * headSize;
  const inOrder: ByteSource = {
    name: source.name,
    size,
    async read(offset, length) {
      const from = Math.floor(offset / headBytes) * headBytes;
      const to = Math.ceil((offset + length) / headBytes) * headBytes;
      const heads = await source.read(start + from, to - from);
      const turned = new Uint8Array(heads.length);
      for (let row = 0; row < heads.length / rowBytes; row++) {
        const inHead = row % headSize;
        const split = inHead < ropeSize ? inHead % 2 * (ropeSize / 2) + Math.floor(inHead / 2) : inHead;
        const at = (row - inHead + split) * rowBytes;
        turned.set(heads.subarray(at, at + rowBytes), row * rowBytes);
      }
      return turned.subarray(offset - from, offset - from + length);
    },
    close: async () => {},
  };
  return { ...tensor, source: inOrder, offset: 0 };
}
