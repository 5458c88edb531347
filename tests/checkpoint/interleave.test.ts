import { test } from "uvu";
import * as assert from "uvu/assert";
import { interleaved, interleavedGguf } from "../../src/checkpoint/interleave.ts";
import type { CheckpointTensor, MetadataValue } from "../../src/checkpoint/checkpoint.ts";
import { openBytes, type RandomLlama, randomLlama } from "./gguf-builder.ts";

const MODEL: RandomLlama = {
  layers: 1,
  hidden: 64,
  heads: 3,
  kvHeads: 1,
  headSize: 32,
  feedForward: 32,
  vocabulary: 10,
  type: (name) => name.includes("attn_k") ? "F16" : "Q8_0",
  tied: true,
  seed: 1,
};
const { tensors } = await openBytes(randomLlama(MODEL));

const bytesOf = async (
  tensor: CheckpointTensor,
  from = 0,
  to = tensor.bytes,
) => [...await tensor.source.read(tensor.offset + from, to - from)];

/** Rows of a head of 32, by where each stands in a file in Hugging Face's order, of which the first 20 are turned. */
const ORDER = [
  ...[0, 10, 1, 11, 2, 12, 3, 13, 4, 14, 5, 15, 6, 16, 7, 17, 8, 18, 9, 19],
  ...[20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31],
];

test("rows of Q and K that are turned alternate; the others stay, and so do all other tensors", async () => {
  const turned = interleaved(tensors, { headSize: 32, ropeSize: 20 });
  assert.equal([...turned.keys()], [...tensors.keys()]);
  for (const [name, tensor] of tensors) {
    const got = turned.get(name)!;
    if (!/attn_[qk]\./.test(name)) assert.is(got, tensor);
    else {
      const bytes = await bytesOf(tensor);
      const rowBytes = tensor.bytes / tensor.shape[1]!;
      const wanted = Array.from({ length: tensor.shape[1]! }, (_, row) => {
        const from = (row - row % 32 + ORDER[row % 32]!) * rowBytes;
        return bytes.slice(from, from + rowBytes);
      }).flat();
      assert.equal(await bytesOf(got), wanted, name);
      for (const [from, to] of [[0, 1], [rowBytes, 3 * rowBytes], [31 * rowBytes - 1, tensor.bytes]] as const) {
        assert.equal(await bytesOf(got, from, to), wanted.slice(from, to), `${name}, ${from} to ${to}`);
      }
    }
  }
});

test("biases, and the norms of heads, have one element a row", async () => {
  const values = Float32Array.from({ length: 64 }, (_, i) => i);
  const vector = (name: string, length: number): CheckpointTensor => ({
    ...tensors.get("output_norm.weight")!,
    name,
    shape: [length],
    offset: 0,
    bytes: 4 * length,
    source: {
      name: "memory",
      size: 4 * length,
      read: (offset, length) => Promise.resolve(new Uint8Array(values.buffer.slice(offset, offset + length))),
      close: async () => {},
    },
  });
  const names = ["blk.0.attn_q.bias", "blk.3.attn_k.bias", "blk.0.attn_q_norm.weight", "blk.0.attn_v.bias"];
  const vectors = new Map(names.map((name) => [name, vector(name, name.includes("norm") ? 32 : 64)]));
  const turned = interleaved(vectors, { headSize: 32, ropeSize: 20 });
  const heads = [...ORDER, ...ORDER.map((row) => row + 32)];
  for (const [name, wanted] of [[names[0]!, heads], [names[1]!, heads], [names[2]!, ORDER]] as const) {
    const { source, offset, bytes } = turned.get(name)!;
    assert.equal([...new Float32Array((await source.read(offset, bytes)).buffer)], wanted, name);
  }
  assert.is(turned.get(names[3]!), vectors.get(names[3]!));
});

test("of GGUF files those of Qwen are put in order, where their heads have a size", async () => {
  const read = (architecture: string, keys: Record<string, MetadataValue>) =>
    interleavedGguf(
      new Map([
        ["general.architecture", architecture],
        ...Object.entries(keys).map(([key, value]): [string, MetadataValue] => [`${architecture}.${key}`, value]),
      ]),
      tensors,
    ).get("blk.0.attn_q.weight")!;
  const wanted = await bytesOf(interleaved(tensors, { headSize: 32, ropeSize: 32 }).get("blk.0.attn_q.weight")!);
  for (const architecture of ["qwen2", "qwen3"]) {
    for (
      const keys of [
        { "attention.key_length": 32 },
        { "embedding_length": 96, "attention.head_count": Uint32Array.of(3, 3) },
      ] as Record<string, MetadataValue>[]
    ) assert.equal(await bytesOf(read(architecture, keys)), wanted);
  }
  const own = tensors.get("blk.0.attn_q.weight");
  for (const architecture of ["llama", "smollm3", "gemma", "constructor"]) {
    assert.is(read(architecture, { "attention.key_length": 32 }), own, architecture);
  }
  for (
    const keys of [
      {},
      { "attention.key_length": "x" },
      { "attention.key_length": 33 },
      { "attention.key_length": 32, "rope.dimension_count": 33 },
      { "attention.key_length": 64 },
    ] as Record<string, MetadataValue>[]
  ) assert.is(read("qwen2", keys), own, JSON.stringify(keys));
});

test.run();
