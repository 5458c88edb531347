import { dequantize } from "./dequantize.ts";
import { quote } from "../util/text.ts";
import type { Checkpoint } from "./checkpoint.ts";

/** The shape of a Llama model and the constants of its forward pass. */
export interface LlamaConfig {
  /** For people. */
  readonly name: string;
  readonly layers: number;
  /** Width of the residual stream, a multiple of 32. */
  readonly hidden: number;
  readonly heads: number;
  /** Each serves `heads / kvHeads` heads. */
  readonly kvHeads: number;
  readonly headSize: 64 | 128;
  /** A multiple of 32. */
  readonly feedForward: number;
  /** Rows of the embedding and of the output. */
  readonly vocabulary: number;
  /** Positions that the model was trained for. */
  readonly contextLength: number;
  /** Pair i of a head turns by position * ropeBase^(-2i / headSize) / ropeFactors[i] / ropeScale. */
  readonly ropeBase: number;
  /** `headSize / 2` of them (Llama 3's scaling), or `null`. */
  readonly ropeFactors: Float32Array | null;
  /** Linear scaling; 1 if there is none. */
  readonly ropeScale: number;
  readonly rmsEpsilon: number;
  /** Whether the embedding is the output matrix too. */
  readonly tied: boolean;
}

/** What a unit of the kernels' weight layout spans: see weight-layout.ts. */
const UNIT = 32;

/**
 * Reads and checks what a forward pass needs to know, and that all tensors are there in the right shapes: before any
 * of them is loaded. Throws an Error that names what is missing, wrong or not supported.
 */
export async function llamaConfig(checkpoint: Checkpoint): Promise<LlamaConfig> {
  const unsupported = (state: string) =>
    new Error(`Cannot run model "${checkpoint.name}": ${state}; use a Llama, TinyLlama or SmolLM2 model`);
  const wrong = (state: string) =>
    new Error(`Cannot run model "${checkpoint.name}": ${state}; get or convert the model anew`);
  const positive = (key: string, fallback?: number) => {
    const value = checkpoint.number(`llama.${key}`, fallback);
    if (!(value > 0 && value < Infinity)) throw wrong(`"llama.${key}" is ${value}, wanted more than 0`);
    return value;
  };
  const count = (key: string, fallback?: number) => {
    const value = positive(key, fallback);
    if (!Number.isInteger(value)) throw wrong(`"llama.${key}" is ${value}, wanted a whole number`);
    return value;
  };

  const architecture = checkpoint.string("general.architecture");
  if (architecture !== "llama") throw unsupported(`its architecture is ${quote(architecture)}, wanted "llama"`);
  const experts = checkpoint.number("llama.expert_count", 0);
  if (experts !== 0) throw unsupported(`it is a mixture of ${experts} experts (llama.expert_count), wanted none`);
  const window = checkpoint.number("llama.attention.sliding_window", 0);
  if (window !== 0) {
    throw unsupported(`it has a sliding window of ${window} (llama.attention.sliding_window), wanted none`);
  }

  const layers = count("block_count");
  const hidden = count("embedding_length");
  const feedForward = count("feed_forward_length");
  for (const [key, value] of [["embedding_length", hidden], ["feed_forward_length", feedForward]] as const) {
    if (value % UNIT !== 0) throw unsupported(`"llama.${key}" is ${value}, wanted a multiple of ${UNIT}`);
  }
  const heads = count("attention.head_count");
  const kvHeads = count("attention.head_count_kv", heads);
  if (heads % kvHeads !== 0) throw wrong(`its ${heads} heads share ${kvHeads} key-value heads, wanted a divisor`);
  const headSize = checkpoint.number("llama.attention.key_length", hidden / heads);
  if (headSize !== 64 && headSize !== 128) throw unsupported(`its heads have a size of ${headSize}, wanted 64 or 128`);
  for (const key of ["attention.value_length", "rope.dimension_count"]) {
    const value = count(key, headSize);
    if (value !== headSize) throw unsupported(`"llama.${key}" is ${value}, wanted the head size, ${headSize}`);
  }
  const scaling = checkpoint.string("llama.rope.scaling.type", "linear");
  if (scaling !== "none" && scaling !== "linear") {
    throw unsupported(`its RoPE scaling (llama.rope.scaling.type) is ${quote(scaling)}, wanted "none" or "linear"`);
  }
  const ropeScale = scaling === "none" ? 1 : positive("rope.scaling.factor", 1);

  const embedding = checkpoint.tensors.get("token_embd.weight");
  const vocabulary = embedding?.shape[1] ?? 0;
  const tokens = checkpoint.metadata.get("tokenizer.ggml.tokens");
  if (embedding && typeof tokens === "object" && tokens.length !== vocabulary) {
    throw wrong(`its tokenizer has ${tokens.length} tokens, wanted ${vocabulary} as its embedding has`);
  }
  const tied = !checkpoint.tensors.has("output.weight");
  const [queryRows, kvRows] = [heads * headSize, kvHeads * headSize];
  const seen = new Set<string>();
  const check = (name: string, ...shape: number[]) => {
    const tensor = checkpoint.tensors.get(name);
    if (!tensor) throw wrong(`tensor "${name}" is missing, wanted in shape [${shape.join(", ")}]`);
    if (tensor.shape.length !== shape.length || shape.some((size, i) => tensor.shape[i] !== size)) {
      throw wrong(`tensor "${name}" has shape [${tensor.shape.join(", ")}], wanted [${shape.join(", ")}]`);
    }
    seen.add(name);
    return tensor;
  };
  check("token_embd.weight", hidden, vocabulary);
  // Ends at the first one missing, so that no wild count of layers keeps it busy.
  for (let layer = 0; layer < layers; layer++) {
    const block = `blk.${layer}`;
    check(`${block}.attn_norm.weight`, hidden);
    check(`${block}.attn_q.weight`, hidden, queryRows);
    check(`${block}.attn_k.weight`, hidden, kvRows);
    check(`${block}.attn_v.weight`, hidden, kvRows);
    check(`${block}.attn_output.weight`, queryRows, hidden);
    check(`${block}.ffn_norm.weight`, hidden);
    const gate = check(`${block}.ffn_gate.weight`, hidden, feedForward);
    const up = check(`${block}.ffn_up.weight`, hidden, feedForward);
    // They are one matrix on the device.
    if (gate.type !== up.type) {
      throw unsupported(`its "${gate.name}" is ${gate.type} and its "${up.name}" ${up.type}, wanted one type for both`);
    }
    check(`${block}.ffn_down.weight`, feedForward, hidden);
  }
  check("output_norm.weight", hidden);
  if (!tied) check("output.weight", hidden, vocabulary);

  let ropeFactors: Float32Array | null = null;
  if (checkpoint.tensors.has("rope_freqs.weight")) {
    const tensor = check("rope_freqs.weight", headSize / 2);
    ropeFactors = dequantize(tensor.type, await tensor.source.read(tensor.offset, tensor.bytes), headSize / 2);
    const bad = ropeFactors.find((factor) => !(factor > 0 && factor < Infinity));
    if (bad !== undefined) throw wrong(`tensor "rope_freqs.weight" has a factor of ${bad}, wanted more than 0`);
  }
  // One that the forward pass knows nothing of would be left out in silence: a bias, a norm of Q and K, an expert.
  const unknown = [...checkpoint.tensors.keys()].find((name) => !seen.has(name));
  if (unknown !== undefined) {
    const kind = unknown.endsWith(".bias") ? "a bias" : "unknown to a plain Llama";
    throw unsupported(`tensor ${quote(unknown)} is ${kind}, wanted none such`);
  }

  return {
    name: checkpoint.string("general.name", checkpoint.name),
    layers,
    hidden,
    heads,
    kvHeads,
    headSize,
    feedForward,
    vocabulary,
    contextLength: count("context_length"),
    ropeBase: positive("rope.freq_base", 10_000),
    ropeFactors,
    ropeScale,
    rmsEpsilon: positive("attention.layer_norm_rms_epsilon"),
    tied,
  };
}
