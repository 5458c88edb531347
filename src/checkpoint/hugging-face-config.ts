import { USE_ANOTHER } from "./architectures.ts";
import type { MetadataValue } from "./checkpoint.ts";
import { MAX_HEAD_SIZE, MAX_LAYERS } from "./config.ts";
import { JsonFile, shown } from "./json-file.ts";
import { yarnMagnitude } from "./rope.ts";
import { isRecord } from "../util/is-record.ts";

/** What transformers' class of a model type does, and its defaults for keys that a config.json lacks. */
interface Family {
  /** The class that `architectures` names. */
  readonly className: string;
  /** The architecture's name in GGUF. */
  readonly architecture: string;
  readonly context: number;
  readonly kvHeads?: number;
  readonly headSize?: number;
  readonly base?: number;
  readonly tied?: true;
  /** Biases: none, those of Q, K and V, or those that `attention_bias` and `mlp_bias` ask for. */
  readonly biases?: "qkv" | "asked";
  /** The window of each layer, if any is to have one. */
  readonly windows?: (config: JsonFile, layers: number, hasRope: readonly boolean[]) => (number | null)[];
}

/** The families by `model_type`, as configuration_*.py and modeling_*.py of transformers 5 have them. */
const FAMILIES: Readonly<Record<string, Family>> = {
  llama: { className: "LlamaForCausalLM", architecture: "llama", context: 2048, biases: "asked" },
  mistral: {
    className: "MistralForCausalLM",
    architecture: "llama",
    context: 131_072,
    kvHeads: 8,
    windows: (config, layers) => Array(layers).fill(windowOf(config, 4096)),
  },
  qwen2: {
    className: "Qwen2ForCausalLM",
    architecture: "qwen2",
    context: 32_768,
    kvHeads: 32,
    biases: "qkv",
    windows: qwenWindows,
  },
  qwen3: {
    className: "Qwen3ForCausalLM",
    architecture: "qwen3",
    context: 32_768,
    kvHeads: 32,
    headSize: 128,
    biases: "asked",
    windows: qwenWindows,
  },
  smollm3: {
    className: "SmolLM3ForCausalLM",
    architecture: "smollm3",
    context: 32_768,
    kvHeads: 4,
    base: 2_000_000,
    tied: true,
    biases: "asked",
    windows: smolWindows,
  },
};

/** What a config.json says of a model. */
export interface FolderConfig {
  /** The keys that a GGUF file of the model has, but those of its tokenizer. */
  readonly metadata: Map<string, MetadataValue>;
  readonly layers: number;
  readonly tied: boolean;
  /** The biases that a layer may have, by GGUF's names without "blk.N.": "attn_q.bias". A missing one is zeros. */
  readonly biases: readonly string[];
  readonly headNorms: boolean;
  /** Llama 3's factors of RoPE, which a GGUF file has as a tensor. */
  readonly ropeFactors: Float32Array<ArrayBuffer> | null;
}

/**
 * Reads a config.json. Throws an Error of one line where it is of another kind of model, which it names, or lacks what
 * transformers has no default for.
 */
export function readFolderConfig(config: JsonFile, folder: string): FolderConfig {
  const { values } = config;
  const unsupported = (state: string) => config.error(`${state}; ${USE_ANOTHER}`);
  const family = familyOf(config, unsupported);
  const quantization = config.object("quantization_config") ?? config.object("compression_config");
  if (quantization) {
    const method = shown(quantization.values.quant_method);
    throw config.error(
      `it is quantised (quantization_config, ${method}), wanted F32, F16 or BF16; ` +
        "get the unquantised checkpoint, or a GGUF",
    );
  }
  const activation = values.hidden_act ?? "silu";
  if (activation !== "silu" && activation !== "swish") {
    throw unsupported(`its hidden_act is ${shown(activation)}, wanted "silu"`);
  }

  const { architecture } = family;
  const layers = config.count("num_hidden_layers");
  const hidden = config.count("hidden_size");
  const heads = config.count("num_attention_heads");
  const kvHeads = values.num_key_value_heads === null
    ? heads
    : config.count("num_key_value_heads", family.kvHeads ?? heads);
  const headSize = config.count("head_dim", family.headSize ?? Math.floor(hidden / heads));
  const context = config.count("max_position_embeddings", family.context);
  // Arrays of this length are made before config.ts has seen the counts.
  if (layers > MAX_LAYERS) throw config.wrong("num_hidden_layers", `${MAX_LAYERS} at most`);
  if (headSize > MAX_HEAD_SIZE) {
    throw unsupported(`its heads have a size of ${headSize}, wanted ${MAX_HEAD_SIZE} at most`);
  }
  const metadata = new Map<string, MetadataValue>([
    ["general.architecture", architecture],
    ["general.name", folder.split(/[/\\]/).findLast((part) => part !== "") ?? folder],
  ]);
  const set = (key: string, value: MetadataValue) => metadata.set(`${architecture}.${key}`, value);
  set("block_count", layers);
  set("context_length", context);
  set("embedding_length", hidden);
  set("feed_forward_length", config.count("intermediate_size"));
  set("attention.head_count", heads);
  set("attention.head_count_kv", kvHeads);
  set("attention.key_length", headSize);
  set("attention.value_length", headSize);
  // A GGUF file has it as float32.
  set("attention.layer_norm_rms_epsilon", Math.fround(config.number("rms_norm_eps", 1e-6)));
  const { keys, factors } = readRopeParameters(config, { base: family.base ?? 10_000, context, headSize });
  for (const [key, value] of Object.entries(keys)) set(`rope.${key}`, value);

  const hasRope = architecture === "smollm3" ? smolRope(config, layers) : Array<boolean>(layers).fill(true);
  if (hasRope.includes(false)) set("attention.rope_pattern", Uint8Array.from(hasRope, Number));
  const windows = family.windows?.(config, layers, hasRope) ?? [];
  const window = windows.find((one) => one !== null) ?? null;
  if (window !== null) {
    set("attention.sliding_window", window);
    set("attention.sliding_window_pattern", Uint8Array.from(windows, (one) => Number(one !== null)));
  }

  const asked = (key: string) => family.biases === "asked" && config.boolean(key, false);
  const biased = [
    ...asked("attention_bias") || family.biases === "qkv" ? ["attn_q", "attn_k", "attn_v"] : [],
    ...asked("attention_bias") ? ["attn_output"] : [],
    ...architecture !== "qwen3" && asked("mlp_bias") ? ["ffn_gate", "ffn_up", "ffn_down"] : [],
  ];
  return {
    metadata,
    layers,
    tied: config.boolean("tie_word_embeddings", family.tied ?? false),
    biases: biased.map((part) => `${part}.bias`),
    headNorms: architecture === "qwen3",
    ropeFactors: factors,
  };
}

/** The family by `model_type`, which `architectures` has to agree with where it is there. */
function familyOf(config: JsonFile, unsupported: (state: string) => Error): Family {
  const { model_type: type, architectures } = config.values;
  const names = (Array.isArray(architectures) ? architectures : []).map((name) =>
    typeof name === "string" ? name : shown(name)
  );
  const family = typeof type === "string" && Object.hasOwn(FAMILIES, type) ? FAMILIES[type]! : undefined;
  if (family && (names.length === 0 || names.includes(family.className))) return family;
  const wanted = Object.values(FAMILIES).map(({ className }) => className).join(", ");
  const named = names.length > 0 ? shown(names.join(", ")) : "missing";
  throw unsupported(`its architecture is ${named}, its model_type ${shown(type)}, wanted one of ${wanted}`);
}

/** The window under `sliding_window`; `null` where it has none. */
function windowOf(config: JsonFile, fallback: number | null): number | null {
  const { sliding_window: window = fallback } = config.values;
  return window === null ? null : config.count("sliding_window", fallback ?? undefined);
}

/** Qwen's layers from `max_window_layers` on have a window where `use_sliding_window` says so, or as `layer_types`. */
function qwenWindows(config: JsonFile, layers: number): (number | null)[] {
  const window = config.boolean("use_sliding_window", false) ? windowOf(config, 4096) : null;
  const first = config.number("max_window_layers", 28);
  return layerWindows(config, layers, window) ??
    Array.from({ length: layers }, (_, layer) => layer >= first ? window : null);
}

/** SmolLM3's layers without RoPE have a window where `use_sliding_window` says so, or as `layer_types`. */
function smolWindows(config: JsonFile, layers: number, hasRope: readonly boolean[]): (number | null)[] {
  const window = windowOf(config, null);
  const isUsed = config.boolean("use_sliding_window", false);
  return layerWindows(config, layers, window) ?? hasRope.map((turned) => isUsed && !turned ? window : null);
}

/** The windows by `layer_types`; `undefined` where the key is missing. */
function layerWindows(config: JsonFile, layers: number, window: number | null): (number | null)[] | undefined {
  const types = config.values.layer_types ?? undefined;
  if (types === undefined) return undefined;
  const isKnown = Array.isArray(types) && types.length >= layers &&
    types.every((type) => type === "full_attention" || (type === "sliding_attention" && window !== null));
  if (!isKnown) {
    throw config.wrong(
      "layer_types",
      `"full_attention"${window === null ? "" : ' or "sliding_attention"'} for each of ${layers} layers`,
    );
  }
  return types.slice(0, layers).map((type) => type === "sliding_attention" ? window : null);
}

/** Which layers have RoPE: those with a 1 in `no_rope_layers`, or all but each `no_rope_layer_interval`th. */
function smolRope(config: JsonFile, layers: number): boolean[] {
  const { no_rope_layers: flags } = config.values;
  if (Array.isArray(flags) && flags.length >= layers) return flags.slice(0, layers).map(Boolean);
  if ((flags ?? undefined) !== undefined) throw config.wrong("no_rope_layers", `an array of ${layers} numbers`);
  const interval = config.count("no_rope_layer_interval", 4);
  return Array.from({ length: layers }, (_, layer) => (layer + 1) % interval !== 0);
}

/**
 * RoPE's keys of a GGUF file, without "ARCHITECTURE.rope." before them, and Llama 3's factors. transformers 5 writes
 * rope_parameters, with the base in it, where older versions write rope_scaling and rope_theta.
 */
function readRopeParameters(
  config: JsonFile,
  defaults: { readonly base: number; readonly context: number; readonly headSize: number },
): { keys: Record<string, MetadataValue>; factors: Float32Array<ArrayBuffer> | null } {
  const scaling = config.object("rope_scaling");
  const rope = (scaling && Object.keys(scaling.values).length > 0 ? scaling : config.object("rope_parameters")) ??
    new JsonFile(config.name, {});
  // A GGUF file has the base as float32.
  const base = Math.fround(rope.number("rope_theta", config.number("rope_theta", defaults.base)));
  const keys: Record<string, MetadataValue> = { freq_base: base };
  // It overrides what stands beside the scaling.
  const context = () =>
    config.count("original_max_position_embeddings", rope.count("original_max_position_embeddings", defaults.context));
  const type = rope.values.rope_type ?? rope.values.type ?? "default";
  const unsupported = (state: string) => config.error(`${state}; ${USE_ANOTHER}`);
  if (Object.values(rope.values).some(isRecord)) {
    throw unsupported("its RoPE has parameters for each kind of layer, wanted one for all");
  }
  // Without scaling transformers turns whole heads of these models, whatever the factor; with it, it fails.
  const part = rope.number("partial_rotary_factor", config.number("partial_rotary_factor", 1));
  if (part !== 1 && type !== "default") {
    throw unsupported(
      `its RoPE scaling is of a part of each head (partial_rotary_factor ${part}), wanted of all of it`,
    );
  }
  switch (type) {
    // Within the context that the model was trained for, dynamic scaling changes nothing.
    case "default":
    case "dynamic":
      break;
    case "linear":
      keys["scaling.factor"] = rope.number("factor");
      break;
    case "llama3":
      return { keys, factors: llama3Factors(rope, base, defaults.headSize, context()) };
    case "yarn": {
      const original = context();
      const factor = rope.number("factor", defaults.context / original);
      const [mscale, allDimensions] = [rope.number("mscale", 0), rope.number("mscale_all_dim", 0)];
      const scales = mscale && allDimensions ? { numerator: mscale, denominator: allDimensions } : null;
      Object.assign(keys, {
        "scaling.type": "yarn",
        "scaling.factor": factor,
        "scaling.original_context_length": original,
        "scaling.yarn_attn_factor": rope.number("attention_factor", yarnMagnitude(factor, scales)),
        "scaling.yarn_beta_fast": rope.number("beta_fast", 32) || 32,
        "scaling.yarn_beta_slow": rope.number("beta_slow", 1) || 1,
        "scaling.yarn_truncate": rope.boolean("truncate", true),
      });
      break;
    }
    default:
      throw unsupported(
        `its RoPE scaling is ${shown(type)}, wanted "default", "linear", "dynamic", "llama3" or "yarn"`,
      );
  }
  return { keys, factors: null };
}

/**
 * Llama 3's factors, by which RoPE's frequencies are divided, for each pair of a head. Long waves get `factor`, short
 * ones 1, and those between have a smooth passage. The formula is that of transformers' modeling_rope_utils.py and
 * llama.cpp's convert_hf_to_gguf.py.
 */
function llama3Factors(rope: JsonFile, base: number, headSize: number, context: number): Float32Array<ArrayBuffer> {
  const factor = rope.number("factor");
  const low = rope.number("low_freq_factor");
  const high = rope.number("high_freq_factor");
  if (!(factor >= 1)) throw rope.wrong("factor", "1 or more");
  if (!(low > 0 && low < high)) throw rope.wrong("low_freq_factor", `more than 0 and less than ${high}`);
  return Float32Array.from({ length: headSize / 2 }, (_, pair) => {
    const turns = context / (2 * Math.PI * base ** (2 * pair / headSize));
    if (turns > high) return 1;
    if (turns < low) return factor;
    const smooth = (turns - low) / (high - low);
    return 1 / ((1 - smooth) / factor + smooth);
  });
}
