// Small checkpoints with random weights, one for each thing that sets an architecture of the Llama kind apart. Each is
// made as the folder that transformers reads, in its names and its order of rows, and from that as the GGUF file that
// llama.cpp's converter would write. tests/goldens/architectures.py asks transformers what the folders' models say.

import { randomOf } from "../../src/util/random.ts";
import { ggufFile, llamaMetadata, type MetadataEntry, type TensorEntry } from "./gguf-builder.ts";
import { type Files, safetensorsFile, tokenizerFiles, writeFolder } from "./safetensors-builder.ts";

export const VOCABULARY = 288;

export interface RandomCheckpoint {
  /** Its file's name in the goldens. */
  readonly name: string;
  readonly modelType: "llama" | "mistral" | "qwen2" | "qwen3" | "smollm3";
  /** The length of a head; the model has two, and one of keys and values. */
  readonly headSize: number;
  readonly layers?: number;
  /** What a layer has beside the matrices, by Hugging Face's names. */
  readonly biases?: readonly string[];
  /** Keys of config.json beside those of the shape. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Keys of the GGUF file beside the shape's, without the architecture before them; `null` where it can't be. */
  readonly gguf?: readonly MetadataEntry[] | null;
}

const QKV = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"];
const ATTENTION = [...QKV, "self_attn.o_proj"];
const FEED_FORWARD = ["mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"];

export const CHECKPOINTS: readonly RandomCheckpoint[] = [
  {
    name: "llama-biases",
    modelType: "llama",
    headSize: 48,
    biases: [...ATTENTION, ...FEED_FORWARD],
    config: { attention_bias: true, mlp_bias: true, torch_dtype: "float32" },
  },
  {
    name: "llama-linear",
    modelType: "llama",
    headSize: 80,
    config: { rope_theta: 50_000, rope_scaling: { type: "linear", factor: 4 }, hidden_act: "swish" },
    gguf: [["rope.freq_base", "f32", 50_000], ["rope.scale_linear", "f32", 4]],
  },
  {
    name: "llama-dynamic",
    modelType: "llama",
    headSize: 96,
    config: { rope_parameters: { rope_type: "dynamic", factor: 2, rope_theta: 10_000 }, dtype: "float32" },
    gguf: [["rope.scaling.factor", "f32", 0]],
  },
  {
    name: "llama-3",
    modelType: "llama",
    headSize: 64,
    config: {
      tie_word_embeddings: true,
      rope_parameters: {
        rope_type: "llama3",
        rope_theta: 500_000,
        factor: 8,
        low_freq_factor: 1,
        high_freq_factor: 4,
        original_max_position_embeddings: 64,
      },
    },
    gguf: null,
  },
  {
    name: "llama-yarn",
    modelType: "llama",
    headSize: 112,
    config: {
      rope_scaling: { type: "yarn", factor: 4, original_max_position_embeddings: 32 },
      max_position_embeddings: 128,
    },
    gguf: [
      ["context_length", "u32", 128],
      ["rope.scaling.type", "string", "yarn"],
      ["rope.scaling.factor", "f32", 4],
      ["rope.scaling.original_context_length", "u32", 32],
    ],
  },
  {
    name: "llama-yarn-scales",
    modelType: "llama",
    headSize: 64,
    config: {
      rope_parameters: {
        rope_type: "yarn",
        rope_theta: 10_000,
        factor: 8,
        mscale: 1,
        mscale_all_dim: 0.5,
        original_max_position_embeddings: 32,
      },
      max_position_embeddings: 32,
    },
    gguf: [
      ["context_length", "u32", 32],
      ["rope.scaling.type", "string", "yarn"],
      ["rope.scaling.factor", "f32", 8],
      ["rope.scaling.yarn_log_multiplier", "f32", 0.5],
    ],
  },
  {
    name: "mistral-window",
    modelType: "mistral",
    headSize: 32,
    config: { sliding_window: 8 },
    gguf: [["attention.sliding_window", "u32", 8]],
  },
  { name: "mistral-nemo", modelType: "mistral", headSize: 128, config: { sliding_window: null } },
  {
    name: "qwen2",
    modelType: "qwen2",
    headSize: 32,
    biases: QKV,
    config: { tie_word_embeddings: true, sliding_window: 8, use_sliding_window: false },
  },
  {
    name: "qwen2-window",
    modelType: "qwen2",
    headSize: 160,
    biases: QKV,
    config: { use_sliding_window: true, sliding_window: 7, max_window_layers: 1 },
    gguf: [["attention.sliding_window", "u32", 7], ["attention.sliding_window_pattern", "bool[]", [false, true]]],
  },
  {
    name: "qwen2-yarn",
    modelType: "qwen2",
    headSize: 64,
    biases: QKV,
    config: {
      use_sliding_window: true,
      sliding_window: 9,
      layer_types: ["sliding_attention", "full_attention"],
      rope_parameters: {
        rope_type: "yarn",
        rope_theta: 1_000_000,
        factor: 4,
        attention_factor: 1.25,
        beta_fast: 2,
        beta_slow: 0.5,
        original_max_position_embeddings: 32,
      },
      max_position_embeddings: 128,
    },
    gguf: [
      ["context_length", "u32", 128],
      ["attention.sliding_window", "u32", 9],
      ["attention.sliding_window_pattern", "bool[]", [true, false]],
      ["rope.freq_base", "f32", 1_000_000],
      ["rope.scaling.type", "string", "yarn"],
      ["rope.scaling.factor", "f32", 4],
      ["rope.scaling.original_context_length", "u32", 32],
      ["rope.scaling.yarn_attn_factor", "f32", 1.25],
      ["rope.scaling.yarn_beta_fast", "f32", 2],
      ["rope.scaling.yarn_beta_slow", "f32", 0.5],
    ],
  },
  { name: "qwen3", modelType: "qwen3", headSize: 256, config: { tie_word_embeddings: true } },
  {
    name: "qwen3-biases",
    modelType: "qwen3",
    headSize: 48,
    biases: ATTENTION,
    config: {
      attention_bias: true,
      rope_parameters: {
        rope_type: "yarn",
        rope_theta: 10_000,
        factor: 4,
        truncate: false,
        original_max_position_embeddings: 32,
      },
    },
    gguf: null,
  },
  {
    name: "smollm3",
    modelType: "smollm3",
    headSize: 64,
    layers: 4,
    config: { tie_word_embeddings: true },
    gguf: [["rope.freq_base", "f32", 2_000_000]],
  },
  {
    name: "smollm3-window",
    modelType: "smollm3",
    headSize: 32,
    layers: 3,
    biases: [...ATTENTION, ...FEED_FORWARD],
    config: {
      tie_word_embeddings: false,
      attention_bias: true,
      mlp_bias: true,
      use_sliding_window: true,
      sliding_window: 6,
      no_rope_layers: [1, 0, 1],
      rope_theta: 10_000,
    },
    gguf: [
      ["attention.sliding_window", "u32", 6],
      ["attention.sliding_window_pattern", "bool[]", [false, true, false]],
      ["attention.rope_pattern", "bool[]", [true, false, true]],
    ],
  },
];

const CLASSES = {
  llama: "LlamaForCausalLM",
  mistral: "MistralForCausalLM",
  qwen2: "Qwen2ForCausalLM",
  qwen3: "Qwen3ForCausalLM",
  smollm3: "SmolLM3ForCausalLM",
};

const [HIDDEN, FEED_FORWARD_SIZE, HEADS, KV_HEADS] = [64, 96, 2, 1];

/** The files of the folder. */
export function randomFolder(model: RandomCheckpoint): Files {
  const { name, modelType, headSize, layers = 2, config } = model;
  return {
    ...tokenizerFiles(llamaMetadata(shapeOf(model), name, true)),
    "config.json": {
      architectures: [CLASSES[modelType]],
      model_type: modelType,
      hidden_size: HIDDEN,
      intermediate_size: FEED_FORWARD_SIZE,
      num_hidden_layers: layers,
      num_attention_heads: HEADS,
      num_key_value_heads: KV_HEADS,
      head_dim: headSize,
      max_position_embeddings: 2048,
      rms_norm_eps: 1e-5,
      tie_word_embeddings: false,
      vocab_size: VOCABULARY,
      pad_token_id: null,
      bos_token_id: VOCABULARY - 1,
      eos_token_id: VOCABULARY - 1,
      ...config,
    },
    "model.safetensors": safetensorsFile(weightsOf(model)),
  };
}

/** The GGUF file, or `null` where that format has no keys for the model. */
export function randomGguf(model: RandomCheckpoint): Uint8Array<ArrayBuffer> | null {
  const { name, modelType, headSize, gguf = [] } = model;
  if (gguf === null) return null;
  const architecture = modelType === "mistral" ? "llama" : modelType;
  const metadata = llamaMetadata(
    shapeOf(model),
    name,
    true,
    gguf.map(([key, type, value]) => [`llama.${key}`, type, value]),
  ).map(([key, type, value]): MetadataEntry => {
    if (key === "general.architecture") return [key, type, architecture];
    return [key.replace(/^llama\./, `${architecture}.`), type, value];
  });
  // The converter reorders the rows for the architectures whose RoPE turns neighbours.
  const isReordered = architecture === "llama" || architecture === "smollm3";
  return ggufFile(
    metadata,
    weightsOf(model).map((tensor) => {
      const [, layer, inLayer, ending] = /^(?:model\.layers\.(\d+)\.)?(.+)\.(weight|bias)$/.exec(tensor.name)!;
      const common = GGUF_NAMES[inLayer!];
      const renamed = `${layer === undefined ? "" : `blk.${layer}.`}${common}.${ending}`;
      const isTurned = common === "attn_q" || common === "attn_k";
      return { ...tensor, name: renamed, bytes: isReordered && isTurned ? paired(tensor, headSize) : tensor.bytes };
    }),
  );
}

const GGUF_NAMES: Readonly<Record<string, string>> = {
  "model.embed_tokens": "token_embd",
  "model.norm": "output_norm",
  "lm_head": "output",
  "input_layernorm": "attn_norm",
  "self_attn.q_proj": "attn_q",
  "self_attn.k_proj": "attn_k",
  "self_attn.v_proj": "attn_v",
  "self_attn.o_proj": "attn_output",
  "self_attn.q_norm": "attn_q_norm",
  "self_attn.k_norm": "attn_k_norm",
  "post_attention_layernorm": "ffn_norm",
  "mlp.gate_proj": "ffn_gate",
  "mlp.up_proj": "ffn_up",
  "mlp.down_proj": "ffn_down",
};

function shapeOf({ headSize, layers = 2 }: RandomCheckpoint) {
  return {
    layers,
    hidden: HIDDEN,
    heads: HEADS,
    kvHeads: KV_HEADS,
    headSize,
    feedForward: FEED_FORWARD_SIZE,
    vocabulary: VOCABULARY,
  };
}

/** The tensors in float32, by Hugging Face's names and its order of rows; shapes are ggml's, the row length first. */
function weightsOf({ name, modelType, headSize, layers = 2, biases = [], config }: RandomCheckpoint): TensorEntry[] {
  const uniform = randomOf([...name].reduce((seed, letter) => seed * 31 + letter.charCodeAt(0), 7) % 2 ** 31);
  const tensors: TensorEntry[] = [];
  // Sums of 12 uniform numbers are near to normal, and have the same bits on every machine.
  const add = (name: string, shape: readonly number[], mean: number, spread: number) => {
    const values = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => {
      let sum = -6;
      for (let i = 0; i < 12; i++) sum += uniform();
      return mean + spread * sum;
    });
    tensors.push({ name, shape, type: "F32", bytes: new Uint8Array(values.buffer) });
  };
  const [q, kv] = [HEADS * headSize, KV_HEADS * headSize];
  add("model.embed_tokens.weight", [HIDDEN, VOCABULARY], 0, 0.5);
  for (let layer = 0; layer < layers; layer++) {
    const inLayer = (name: string) => `model.layers.${layer}.${name}`;
    const matrices = [
      ["self_attn.q_proj", HIDDEN, q],
      ["self_attn.k_proj", HIDDEN, kv],
      ["self_attn.v_proj", HIDDEN, kv],
      ["self_attn.o_proj", q, HIDDEN],
      ["mlp.gate_proj", HIDDEN, FEED_FORWARD_SIZE],
      ["mlp.up_proj", HIDDEN, FEED_FORWARD_SIZE],
      ["mlp.down_proj", FEED_FORWARD_SIZE, HIDDEN],
    ] as const;
    for (const [name, columns, rows] of matrices) {
      // Q and K are large enough for the scores to tell positions apart.
      const spread = /[qk]_proj/.test(name) ? 2.5 : 1;
      add(inLayer(`${name}.weight`), [columns, rows], 0, spread / Math.sqrt(columns));
      if (biases.includes(name)) add(inLayer(`${name}.bias`), [rows], 0, 0.5);
    }
    for (const name of ["input_layernorm", "post_attention_layernorm"]) {
      add(inLayer(`${name}.weight`), [HIDDEN], 1, 0.2);
    }
    if (modelType !== "qwen3") continue;
    for (const name of ["q_norm", "k_norm"]) add(inLayer(`self_attn.${name}.weight`), [headSize], 1.5, 0.5);
  }
  add("model.norm.weight", [HIDDEN], 1, 0.2);
  if (!config?.tie_word_embeddings) add("lm_head.weight", [HIDDEN, VOCABULARY], 0, 3 / Math.sqrt(HIDDEN));
  return tensors;
}

/** The bytes of a tensor of Q or K with rows i and i + headSize / 2 of each head beside each other. */
function paired({ shape, bytes }: TensorEntry, headSize: number): Uint8Array {
  const rows = shape.at(-1)!;
  const rowBytes = bytes.length / rows;
  const order = Array.from({ length: rows }, (_, row) => {
    const inHead = row % headSize;
    return row - inHead + Math.floor(inHead / 2) + inHead % 2 * (headSize / 2);
  });
  const result = new Uint8Array(bytes.length);
  order.forEach((from, row) => result.set(bytes.subarray(from * rowBytes, (from + 1) * rowBytes), row * rowBytes));
  return result;
}

/** Writes all folders into one, for the script that makes the goldens. */
if (import.meta.main) {
  for (const model of CHECKPOINTS) await writeFolder(`${Deno.args[0]}/${model.name}`, randomFolder(model));
}
