import { dequantize } from "./dequantize.ts";
import { quote } from "../util/text.ts";
import type { Checkpoint } from "./checkpoint.ts";

/** The shape of a Llama model and the constants of its forward pass. */
export interface LlamaConfig {
  /** The model's name for people; nothing depends on it. */
  readonly name: string;
  readonly layers: number;
  /** The width of the residual stream, a multiple of 32. */
  readonly hidden: number;
  /** The number of query heads. */
  readonly heads: number;
  /** The number of key-value heads. Each serves `heads / kvHeads` query heads. */
  readonly kvHeads: number;
  /** The length of a head's queries, keys and values. */
  readonly headSize: 64 | 128;
  /** The width of the feed-forward part, a multiple of 32. */
  readonly feedForward: number;
  /** The number of tokens, which is that of the rows of the embedding and of the output matrix. */
  readonly vocabulary: number;
  /** The number of positions that the model was trained for. */
  readonly contextLength: number;
  /** RoPE turns pair i of a head by position * ropeBase^(-2i / headSize) / ropeFactors[i] / ropeScale. */
  readonly ropeBase: number;
  /** Llama 3's scaling, `headSize / 2` factors, or `null` for factors of 1. */
  readonly ropeFactors: Float32Array | null;
  /** The factor of linear scaling; 1 where there is none. */
  readonly ropeScale: number;
  /** The number that RMS norm adds to the mean square. */
  readonly rmsEpsilon: number;
  /** Whether the embedding serves as the output matrix too. */
  readonly tied: boolean;
}

/** The elements of a unit in the kernels' layout of weights (weight-layout.ts): rows have to be whole units. */
const UNIT = 32;

/**
 * Reads and checks all that a forward pass needs to know, and checks that all tensors are there in the right shapes,
 * before any weights are loaded. Rejects with an Error that names what is missing, wrong or not supported.
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
  // The first tensor that is missing ends the loop, however large the count of layers that the file declares.
  for (let layer = 0; layer < layers; layer++) {
    const block = `blk.${layer}`;
    check(`${block}.attn_norm.weight`, hidden);
    check(`${block}.attn_q.weight`, hidden, queryRows);
    check(`${block}.attn_k.weight`, hidden, kvRows);
    check(`${block}.attn_v.weight`, hidden, kvRows);
    check(`${block}.attn_output.weight`, queryRows, hidden);
    check(`${block}.ffn_norm.weight`, hidden);
    check(`${block}.ffn_gate.weight`, hidden, feedForward);
    check(`${block}.ffn_up.weight`, hidden, feedForward);
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
  // The forward pass would leave out any other tensor in silence: a bias, a norm of Q and K, an expert.
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
