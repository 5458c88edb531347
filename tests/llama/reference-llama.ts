import { type LlamaConfig, llamaConfig } from "../../src/checkpoint/config.ts";
import { dequantize } from "../../src/checkpoint/dequantize.ts";
import type { Checkpoint, CheckpointTensor } from "../../src/checkpoint/checkpoint.ts";

interface StoredTensor extends CheckpointTensor {
  readonly data: Uint8Array;
}

/**
 * The Llama forward pass in double precision, the weights being the float32 values that their file stands for. Written
 * from the architecture, shares nothing with the kernels, and takes all positions at once: no cache.
 */
export class ReferenceLlama {
  readonly config: LlamaConfig;
  readonly #tensors: ReadonlyMap<string, StoredTensor>;

  private constructor(config: LlamaConfig, tensors: ReadonlyMap<string, StoredTensor>) {
    this.config = config;
    this.#tensors = tensors;
  }

  /** Reads all weights, as the file has them. */
  static async load(checkpoint: Checkpoint): Promise<ReferenceLlama> {
    const tensors = new Map<string, StoredTensor>();
    for (const [name, tensor] of checkpoint.tensors) {
      tensors.set(name, { ...tensor, data: await tensor.source.read(tensor.offset, tensor.bytes) });
    }
    return new ReferenceLlama(await llamaConfig(checkpoint), tensors);
  }

  /** The logits [vocabulary] after each token; `from` leaves out those of the positions before it, which saves time. */
  logits(tokens: readonly number[], from = 0): Float64Array[] {
    const { layers, tied } = this.config;
    const embedding = this.#tensors.get("token_embd.weight")!;
    const x = tokens.map((token) => Float64Array.from(row(embedding, token)));
    for (let layer = 0; layer < layers; layer++) {
      const block = `blk.${layer}`;
      const attended = this.#attend(block, this.#norm(`${block}.attn_norm.weight`, x));
      add(x, this.#multiply(`${block}.attn_output.weight`, attended));
      const normed = this.#norm(`${block}.ffn_norm.weight`, x);
      const gate = this.#multiply(`${block}.ffn_gate.weight`, normed);
      const up = this.#multiply(`${block}.ffn_up.weight`, normed);
      const gated = gate.map((g, t) => g.map((value, i) => value / (1 + Math.exp(-value)) * up[t]![i]!));
      add(x, this.#multiply(`${block}.ffn_down.weight`, gated));
    }
    const last = this.#norm("output_norm.weight", x.slice(from));
    return this.#multiply(tied ? "token_embd.weight" : "output.weight", last);
  }

  /** RMSNorm: x / sqrt(mean(x^2) + epsilon) * weight. */
  #norm(name: string, x: readonly Float64Array[]): Float64Array[] {
    const weight = row(this.#tensors.get(name)!, 0);
    return x.map((values) => {
      const square = values.reduce((sum, value) => sum + value * value, 0);
      const scale = 1 / Math.sqrt(square / values.length + this.config.rmsEpsilon);
      return values.map((value, i) => value * scale * weight[i]!);
    });
  }

  /** Each row of the matrix is unpacked once and multiplied with all positions. */
  #multiply(name: string, x: readonly Float64Array[]): Float64Array[] {
    const tensor = this.#tensors.get(name)!;
    const rows = tensor.shape[1]!;
    const y = x.map(() => new Float64Array(rows));
    for (let r = 0; r < rows; r++) {
      const weights = row(tensor, r);
      x.forEach((values, t) => y[t]![r] = dot(weights, values, 0, weights.length));
    }
    return y;
  }

  /** Causal attention with grouped queries: head h reads KV head floor(h / (heads / kvHeads)). */
  #attend(block: string, x: readonly Float64Array[]): Float64Array[] {
    const { heads, kvHeads, headSize } = this.config;
    const queries = this.#multiply(`${block}.attn_q.weight`, x);
    const keys = this.#multiply(`${block}.attn_k.weight`, x);
    const values = this.#multiply(`${block}.attn_v.weight`, x);
    queries.forEach((query, position) => this.#rotate(query, position));
    keys.forEach((key, position) => this.#rotate(key, position));
    return queries.map((query, position) => {
      const output = new Float64Array(heads * headSize);
      for (let head = 0; head < heads; head++) {
        const at = head * headSize;
        const kvAt = Math.floor(head / (heads / kvHeads)) * headSize;
        const own = query.subarray(at, at + headSize);
        const scores = keys.slice(0, position + 1).map((key) => dot(own, key, kvAt, headSize) / Math.sqrt(headSize));
        const most = Math.max(...scores);
        const weights = scores.map((score) => Math.exp(score - most));
        const total = weights.reduce((a, b) => a + b);
        weights.forEach((weight, p) => {
          for (let i = 0; i < headSize; i++) output[at + i]! += weight / total * values[p]![kvAt + i]!;
        });
      }
      return output;
    });
  }

  /** RoPE on pairs (2i, 2i + 1) of each head, as GGUF orders the rows of Q and K. */
  #rotate(vector: Float64Array, position: number): void {
    const { headSize, rope: { size, frequencies, magnitude } } = this.config;
    for (let at = 0; at < vector.length; at += 2) {
      if (at % headSize >= size) continue;
      const angle = position * frequencies[at % headSize / 2]!;
      const [even, odd] = [vector[at]!, vector[at + 1]!];
      vector[at] = magnitude * (even * Math.cos(angle) - odd * Math.sin(angle));
      vector[at + 1] = magnitude * (even * Math.sin(angle) + odd * Math.cos(angle));
    }
  }
}

/** One row of a matrix, or a whole vector. */
function row({ type, shape, bytes, data }: StoredTensor, index: number): Float32Array {
  const rowBytes = bytes / (shape[1] ?? 1);
  return dequantize(type, data.subarray(index * rowBytes, (index + 1) * rowBytes), shape[0]!);
}

/** a[0, length) times b[bAt, bAt + length). */
function dot(a: Float32Array | Float64Array, b: Float64Array, bAt: number, length: number): number {
  let sum = 0;
  for (let i = 0; i < length; i++) sum += a[i]! * b[bAt + i]!;
  return sum;
}

function add(x: readonly Float64Array[], y: readonly Float64Array[]): void {
  x.forEach((values, t) => y[t]!.forEach((value, i) => values[i]! += value));
}
