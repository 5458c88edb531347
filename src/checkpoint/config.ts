import { architectureOf, USE_ANOTHER } from "./architectures.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { FORMATS } from "./formats.ts";
import { headSizes } from "./interleave.ts";
import { readRope, type Rope } from "./rope.ts";
import { quote } from "../util/text.ts";

export type { Rope } from "./rope.ts";

/** The shape of a model of the Llama kind and the constants of its forward pass. */
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
  /** The length of a head's queries, keys and values, a multiple of 16 from 32 to 256. */
  readonly headSize: number;
  /** The width of the feed-forward part, a multiple of 32. */
  readonly feedForward: number;
  /** The number of tokens that have a row in the embedding and in the output matrix. */
  readonly vocabulary: number;
  /** The number of positions that the model was trained for, or was stretched to by YaRN. */
  readonly contextLength: number;
  readonly rope: Rope;
  /** For each layer, whether RoPE turns its queries and keys. */
  readonly ropeLayers: readonly boolean[];
  /** For each layer, how many positions a row sees, itself included; `null` where it sees all before it. */
  readonly windows: readonly (number | null)[];
  /** The number that RMS norm adds to the mean square. */
  readonly rmsEpsilon: number;
  /** Whether the embedding serves as the output matrix too. */
  readonly tied: boolean;
}

/** The elements of a unit in the kernels' layout of weights (weight-layout.ts): rows have to be whole units. */
const UNIT = 32;

/** The most layers, so that a file's count alone takes no memory. The largest models have some 130. */
export const MAX_LAYERS = 2 ** 12;
/** The longest head that the attention kernels take. */
export const MAX_HEAD_SIZE = 256;

/**
 * Reads and checks all that a forward pass needs to know, and checks that all tensors are there in the right shapes,
 * before any weights are loaded. Biases (`blk.N.attn_q.bias` and the like) and the norms of Q's and K's heads
 * (`blk.N.attn_q_norm.weight`) are part of the model where their tensors are there, in all layers or in none. Rejects
 * with an Error that names what is missing, wrong or not supported.
 */
export async function llamaConfig(checkpoint: Checkpoint): Promise<LlamaConfig> {
  const unsupported = (state: string) => new Error(`Cannot run model "${checkpoint.name}": ${state}; ${USE_ANOTHER}`);
  const wrong = (state: string) =>
    new Error(`Cannot run model "${checkpoint.name}": ${state}; get or convert the model anew`);

  const name = checkpoint.string("general.architecture");
  const architecture = architectureOf(name, unsupported);
  /** The number under a key, or the one that all elements of an array under it have. */
  const numberOf = (key: string, fallback?: number) => {
    const value = checkpoint.metadata.get(`${name}.${key}`);
    if (typeof value !== "object" || typeof value[0] !== "number") return checkpoint.number(`${name}.${key}`, fallback);
    const other = Array.from<string | number>(value).find((one) => one !== value[0]);
    if (other === undefined) return value[0];
    throw unsupported(`"${name}.${key}" is ${value[0]} in one layer and ${other} in another, wanted one for all`);
  };
  const positive = (key: string, fallback?: number) => {
    const value = numberOf(key, fallback);
    if (!(value > 0 && value < Infinity)) throw wrong(`"${name}.${key}" is ${value}, wanted more than 0`);
    return value;
  };
  const count = (key: string, fallback?: number) => {
    const value = positive(key, fallback);
    if (!Number.isInteger(value)) throw wrong(`"${name}.${key}" is ${value}, wanted a whole number`);
    return value;
  };
  /** An array with a value for each layer; `undefined` where the key is missing. */
  const perLayer = (key: string) => {
    const value = checkpoint.metadata.get(`${name}.${key}`);
    if (value === undefined) return undefined;
    if (typeof value === "object" && value.length === layers) return Array.from<string | number>(value);
    throw wrong(`"${name}.${key}" is no array of ${layers} values, one for each layer`);
  };

  const experts = numberOf("expert_count", 0);
  if (experts !== 0) throw unsupported(`it is a mixture of ${experts} experts (${name}.expert_count), wanted none`);
  const layers = count("block_count");
  if (layers > MAX_LAYERS) throw wrong(`"${name}.block_count" is ${layers}, wanted ${MAX_LAYERS} at most`);
  const hidden = count("embedding_length");
  const feedForward = count("feed_forward_length");
  const heads = count("attention.head_count");
  const kvHeads = count("attention.head_count_kv", heads);
  if (heads % kvHeads !== 0) throw wrong(`its ${heads} heads share ${kvHeads} key-value heads, wanted a divisor`);
  const { headSize, ropeSize } = headSizes(checkpoint.metadata, name);
  if (!(headSize >= 32 && headSize <= MAX_HEAD_SIZE && headSize % 16 === 0)) {
    throw unsupported(`its heads have a size of ${headSize}, wanted a multiple of 16 from 32 to ${MAX_HEAD_SIZE}`);
  }
  const valueSize = count("attention.value_length", headSize);
  if (valueSize !== headSize) {
    throw unsupported(`"${name}.attention.value_length" is ${valueSize}, wanted the head size, ${headSize}`);
  }
  if (!(ropeSize >= 2 && ropeSize <= headSize && ropeSize % 2 === 0)) {
    throw wrong(`"${name}.rope.dimension_count" is ${ropeSize}, wanted an even number from 2 to ${headSize}`);
  }
  for (
    const [what, value] of [
      [`"${name}.embedding_length"`, hidden],
      [`"${name}.feed_forward_length"`, feedForward],
      ["the size of all its heads together", heads * headSize],
    ] as const
  ) if (value % UNIT !== 0) throw unsupported(`${what} is ${value}, wanted a multiple of ${UNIT}`);

  const window = numberOf("attention.sliding_window", 0);
  if (!(Number.isInteger(window) && window >= 0)) {
    throw wrong(`"${name}.attention.sliding_window" is ${window}, wanted a whole number`);
  }
  const sliding = perLayer("attention.sliding_window_pattern");
  const turned = perLayer("attention.rope_pattern");
  const hasRope = (layer: number) => {
    if (turned) return turned[layer] !== 0;
    return architecture.noRopeInterval === 0 || (layer + 1) % architecture.noRopeInterval !== 0;
  };

  const tied = !checkpoint.tensors.has("output.weight");
  const rows = checkTensors();
  const tokens = checkpoint.metadata.get("tokenizer.ggml.tokens");
  const contextLength = count("context_length");
  const { rope, stretchedContext } = await readRope(checkpoint, name, ropeSize, { wrong, unsupported });
  return {
    name: checkpoint.string("general.name", checkpoint.name),
    layers,
    hidden,
    heads,
    kvHeads,
    headSize,
    feedForward,
    // Rows behind those of the tokens are padding.
    vocabulary: Math.min(rows, typeof tokens === "object" ? tokens.length : Infinity),
    contextLength: Math.max(contextLength, stretchedContext),
    rope,
    ropeLayers: Array.from({ length: layers }, (_, layer) => hasRope(layer)),
    windows: Array.from({ length: layers }, (_, layer) => window !== 0 && sliding?.[layer] !== 0 ? window : null),
    rmsEpsilon: positive("attention.layer_norm_rms_epsilon"),
    tied,
  };

  /** Checks that each tensor is there in its shape, and none besides. Returns the number of the embedding's rows. */
  function checkTensors(): number {
    const rows = checkpoint.tensors.get("token_embd.weight")?.shape[1] ?? 0;
    const [queryRows, kvRows] = [heads * headSize, kvHeads * headSize];
    // Factors of RoPE are checked where they are read.
    const seen = new Set(["rope_freqs.weight"]);
    const check = (tensorName: string, ...shape: number[]) => {
      const tensor = checkpoint.tensors.get(tensorName);
      if (!tensor) throw wrong(`tensor "${tensorName}" is missing, wanted in shape [${shape.join(", ")}]`);
      if (tensor.shape.length !== shape.length || shape.some((size, i) => tensor.shape[i] !== size)) {
        throw wrong(`tensor "${tensorName}" has shape [${tensor.shape.join(", ")}], wanted [${shape.join(", ")}]`);
      }
      seen.add(tensorName);
      return tensor;
    };
    const biases: readonly (readonly [name: string, size: number])[] = [
      ["attn_q.bias", queryRows],
      ["attn_k.bias", kvRows],
      ["attn_v.bias", kvRows],
      ["attn_output.bias", hidden],
      ["ffn_gate.bias", feedForward],
      ["ffn_up.bias", feedForward],
      ["ffn_down.bias", hidden],
    ];
    const vectors: (readonly [name: string, size: number])[] = biases.filter(([bias]) =>
      checkpoint.tensors.has(`blk.0.${bias}`)
    );
    if (architecture.headNorms) vectors.push(["attn_q_norm.weight", headSize], ["attn_k_norm.weight", headSize]);
    check("token_embd.weight", hidden, rows);
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
      for (const [vector, size] of vectors) {
        const { name, type } = check(`${block}.${vector}`, size);
        if (FORMATS[type].blockElements !== 1) throw unsupported(`its "${name}" is ${type}, wanted F32, F16 or BF16`);
      }
    }
    check("output_norm.weight", hidden);
    if (!tied) check("output.weight", hidden, rows);
    // The forward pass would leave out any other tensor in silence: a norm, an expert, a bias that one layer lacks.
    const unknown = [...checkpoint.tensors.keys()].find((name) => !seen.has(name));
    if (unknown !== undefined) {
      throw unsupported(`tensor ${quote(unknown)} is unknown to the architecture ${quote(name)}, wanted none such`);
    }
    return rows;
  }
}
