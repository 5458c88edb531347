import { type Checkpoint, checkpointOf, type CheckpointTensor } from "./checkpoint.ts";

/** The tensors that have a row for each token. */
const OF_TOKENS = ["token_embd.weight", "output.weight"];

/** The checkpoint in which `rows[id]` is the token, by the id that it has in this one, whose weights token `id` has. */
export function gatherTokens(checkpoint: Checkpoint, rows: Uint32Array): Checkpoint {
  const tensors = new Map(checkpoint.tensors);
  for (const name of OF_TOKENS) {
    const tensor = tensors.get(name);
    if (tensor) tensors.set(name, gatherRows(tensor, rows));
  }
  return checkpointOf(checkpoint.name, checkpoint.metadata, tensors, () => checkpoint.close());
}

/** The tensor, [k, n], with the rows `rows` of one of k elements a row, in that order; rows may come twice. */
export function gatherRows(tensor: CheckpointTensor, rows: Uint32Array): CheckpointTensor {
  const { source, offset: start, shape: [k = 1, n = 1] } = tensor;
  const rowBytes = tensor.bytes / n;
  const size = rows.length * rowBytes;
  return {
    ...tensor,
    shape: [k, rows.length],
    offset: 0,
    bytes: size,
    source: {
      name: source.name,
      size,
      async read(offset, length) {
        const [first, end] = [Math.floor(offset / rowBytes), Math.ceil((offset + length) / rowBytes)];
        const gathered = new Uint8Array((end - first) * rowBytes);
        const reads: Promise<void>[] = [];
        for (let from = first, to = first; from < end; from = to) {
          // Rows that lie one after the other in the file are one read.
          do to++; while (to < end && rows[to] === rows[to - 1]! + 1);
          const at = start + rows[from]! * rowBytes;
          const target = (from - first) * rowBytes;
          reads.push(source.read(at, (to - from) * rowBytes).then((bytes) => gathered.set(bytes, target)));
        }
        await Promise.all(reads);
        return gathered.subarray(offset - first * rowBytes, offset - first * rowBytes + length);
      },
      close: async () => {},
    },
  };
}
