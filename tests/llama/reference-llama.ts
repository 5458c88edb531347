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

  /** Reads all weights, as the file has them; by default the config is the file's own. */
  static async load(checkpoint: Checkpoint, config?: LlamaConfig): Promise<ReferenceLlama> {
    const tensors = new Map<string, StoredTensor>();
    for (const [name, tensor] of checkpoint.tensors) {
      tensors.set(name, { ...tensor, data: await tensor.source.read(tensor.offset, tensor.bytes) });
    }
    return new ReferenceLlama(config ?? await llamaConfig(checkpoint), tensors);
  }

  /** The logits [vocabulary] after each token; `from` leaves out those of the positions before it, which saves time. */
  logits(tokens: readonly number[], from = 0): Float64Array[] {
    const { layers, tied } = this.config;
    const embedding = this.#tensors.get("token_embd.weight")!;
    const x = tokens.map((token) => Float64Array.from(row(embedding, token)));
    for (let layer = 0; layer < layers; layer++) {
      const block = `blk.${layer}`;
      const attended = this.#attend(layer, this.#norm(`${block}.attn_norm.weight`, x));
      add(x, this.#multiply(`${block}.attn_output`, attended));
      const normed = this.#norm(`${block}.ffn_norm.weight`, x);
      const gate = this.#multiply(`${block}.ffn_gate`, normed);
      const up = this.#multiply(`${block}.ffn_up`, normed);
      const gated = gate.map((g, t) => g.map((value, i) => value / (1 + Math.exp(-value)) * up[t]![i]!));
      add(x, this.#multiply(`${block}.ffn_down`, gated));
    }
    const last = this.#norm("output_norm.weight", x.slice(from));
    return this.#multiply(tied ? "token_embd" : "output", last);
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

  /** Weights times x, plus a bias if there is one. Each weight row is unpacked once, for all positions. */
  #multiply(name: string, x: readonly Float64Array[]): Float64Array[] {
    const tensor = this.#tensors.get(`${name}.weight`)!;
    const bias = this.#tensors.get(`${name}.bias`);
    const rows = tensor.shape[1]!;
    const y = x.map(() => new Float64Array(rows));
    for (let r = 0; r < rows; r++) {
      const weights = row(tensor, r);
      x.forEach((values, t) => y[t]![r] = dot(weights, values, 0, weights.length));
    }
    if (bias) y.forEach((values) => row(bias, 0).forEach((value, i) => values[i]! += value));
    return y;
  }

  /** Causal attention with grouped queries: head h reads KV head floor(h / (heads / kvHeads)). */
  #attend(layer: number, x: readonly Float64Array[]): Float64Array[] {
    const { heads, kvHeads, headSize, ropeLayers, windows } = this.config;
    const block = `blk.${layer}`;
    const queries = this.#multiply(`${block}.attn_q`, x);
    const keys = this.#multiply(`${block}.attn_k`, x);
    const values = this.#multiply(`${block}.attn_v`, x);
    for (const [name, vectors] of [["attn_q_norm", queries], ["attn_k_norm", keys]] as const) {
      if (this.#tensors.has(`${block}.${name}.weight`)) {
        for (const vector of vectors) {
          for (let at = 0; at < vector.length; at += headSize) {
            vector.set(this.#norm(`${block}.${name}.weight`, [vector.slice(at, at + headSize)])[0]!, at);
          }
        }
      }
      if (ropeLayers[layer]) vectors.forEach((vector, position) => this.#rotate(vector, position));
    }
    return queries.map((query, position) => {
      const output = new Float64Array(heads * headSize);
      for (let head = 0; head < heads; head++) {
        const at = head * headSize;
        const kvAt = Math.floor(head / (heads / kvHeads)) * headSize;
        const own = query.subarray(at, at + headSize);
        const first = Math.max(0, position + 1 - (windows[layer] ?? Infinity));
        const seen = keys.slice(first, position + 1);
        const scores = seen.map((key) => dot(own, key, kvAt, headSize) / Math.sqrt(headSize));
        const most = Math.max(...scores);
        const weights = scores.map((score) => Math.exp(score - most));
        const total = weights.reduce((a, b) => a + b);
        weights.forEach((weight, p) => {
          for (let i = 0; i < headSize; i++) output[at + i]! += weight / total * values[first + p]![kvAt + i]!;
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
