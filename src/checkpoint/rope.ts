import type { Checkpoint } from "./checkpoint.ts";
import { dequantize } from "./dequantize.ts";
import { quote } from "../util/text.ts";

/** How RoPE turns the heads of queries and keys (arXiv 2104.09864). */
export interface Rope {
  /** The elements at a head's begin that are turned, an even number; those behind stay as they are. */
  readonly size: number;
  /** `size / 2` frequencies: elements 2i and 2i + 1 turn by position * frequencies[i] radians. */
  readonly frequencies: Float64Array;
  /** The turned elements are multiplied by this; 1 but for YaRN. */
  readonly magnitude: number;
}

/** The parameters of YaRN (arXiv 2309.00071), which stretches the long waves and leaves the short ones. */
export interface Yarn {
  readonly factor: number;
  /** The positions that the model was trained for before it was stretched. */
  readonly context: number;
  /** Waves with more turns than this in `context` stay as they are. */
  readonly betaFast: number;
  /** Waves with fewer turns than this are stretched by `factor`. */
  readonly betaSlow: number;
  /** Whether the passage between the two begins and ends at whole pairs. */
  readonly truncate: boolean;
}

/** Errors of the model that is read: of a wrong value under a key, and of what does not run here. */
export interface RopeErrors {
  wrong(state: string): Error;
  unsupported(state: string): Error;
}

/**
 * Reads RoPE's parameters for heads of which `size` elements turn, and how many positions the model was stretched to,
 * if it was. Keys and their meaning are those of llama.cpp (load_hparams in llama-model.cpp, llama-context.cpp).
 */
export async function readRope(
  checkpoint: Checkpoint,
  architecture: string,
  size: number,
  { wrong, unsupported }: RopeErrors,
): Promise<{ rope: Rope; stretchedContext: number }> {
  const prefix = `${architecture}.rope`;
  const positive = (key: string, fallback?: number) => {
    const value = checkpoint.number(key, fallback);
    if (!(value > 0 && value < Infinity)) throw wrong(`"${key}" is ${value}, wanted more than 0`);
    return value;
  };
  const base = positive(`${prefix}.freq_base`, 10_000);
  const factors = await readFactors(checkpoint, size / 2, wrong);
  const plain = Float64Array.from({ length: size / 2 }, (_, i) => base ** (-2 * i / size) / (factors?.[i] ?? 1));

  const type = checkpoint.string(`${prefix}.scaling.type`, "linear");
  if (!["none", "linear", "yarn"].includes(type)) {
    throw unsupported(
      `its RoPE scaling (${prefix}.scaling.type) is ${quote(type)}, wanted "none", "linear" or "yarn"`,
    );
  }
  // Files from before November 2023 have the other key. A factor of 0 stands for none.
  const key = [`${prefix}.scaling.factor`, `${prefix}.scale_linear`].find((key) => checkpoint.metadata.has(key));
  const factor = key === undefined || checkpoint.number(key) === 0 ? 1 : positive(key);
  if (type !== "yarn") {
    const frequencies = type === "none" ? plain : plain.map((frequency) => frequency / factor);
    return { rope: { size, frequencies, magnitude: 1 }, stretchedContext: 0 };
  }

  const scaling = `${prefix}.scaling`;
  const context = positive(`${scaling}.original_context_length`, positive(`${architecture}.context_length`));
  const yarn: Yarn = {
    factor,
    context,
    betaFast: positive(`${scaling}.yarn_beta_fast`, 32),
    betaSlow: positive(`${scaling}.yarn_beta_slow`, 1),
    truncate: checkpoint.metadata.get(`${scaling}.yarn_truncate`) !== false,
  };
  // The converter writes a config.json's attention_factor, which is the whole magnitude, as yarn_attn_factor.
  const logMultiplier = checkpoint.number(`${scaling}.yarn_log_multiplier`, 0);
  const magnitude = checkpoint.number(
    `${scaling}.yarn_attn_factor`,
    yarnMagnitude(factor, logMultiplier === 0 ? null : { numerator: 1, denominator: logMultiplier }),
  ) * checkpoint.number(`${scaling}.attn_factor`, 1);
  const frequencies = yarnFrequencies(plain, base, yarn);
  const bad = [magnitude, ...frequencies].find((value) => !(value > 0 && value < Infinity));
  if (bad !== undefined) {
    throw wrong(`its YaRN (${scaling}) has a frequency or magnitude of ${bad}, wanted more than 0`);
  }
  return { rope: { size, frequencies, magnitude }, stretchedContext: Math.floor(context * factor) };
}

/**
 * The magnitude that YaRN gives queries and keys: 0.1 m ln(factor) + 1, with an m of 1, or the quotient of two of them.
 * As get_mscale in transformers' modeling_rope_utils.py and in llama.cpp's llama-context.cpp.
 */
export function yarnMagnitude(
  factor: number,
  scales: { readonly numerator: number; readonly denominator: number } | null,
): number {
  const magnitude = (scale: number) => factor <= 1 ? 1 : 0.1 * scale * Math.log(factor) + 1;
  return scales ? magnitude(scales.numerator) / magnitude(scales.denominator) : magnitude(1);
}

/**
 * YaRN's frequencies from those of plain RoPE: short waves stay, long ones are divided by the factor, and between them
 * is a ramp. As _compute_yarn_parameters in transformers' modeling_rope_utils.py.
 */
function yarnFrequencies(
  plain: Float64Array,
  base: number,
  { factor, context, betaFast, betaSlow, truncate }: Yarn,
): Float64Array<ArrayBuffer> {
  const size = 2 * plain.length;
  // The pair whose wave has so many turns in the context.
  const pairOf = (turns: number) => size * Math.log(context / (turns * 2 * Math.PI)) / (2 * Math.log(base));
  const [fast, slow] = [pairOf(betaFast), pairOf(betaSlow)];
  const first = Math.max(truncate ? Math.floor(fast) : fast, 0);
  const last = Math.min(truncate ? Math.ceil(slow) : slow, size - 1);
  const length = last === first ? 0.001 : last - first;
  return Float64Array.from(plain, (frequency, pair) => {
    const stretched = Math.min(Math.max((pair - first) / length, 0), 1);
    return frequency / factor * stretched + frequency * (1 - stretched);
  });
}

/** The factors by which frequencies are divided, for each pair: Llama 3's scaling; `null` where there are none. */
async function readFactors(
  { tensors }: Checkpoint,
  pairs: number,
  wrong: RopeErrors["wrong"],
): Promise<Float32Array | null> {
  const tensor = tensors.get("rope_freqs.weight");
  if (!tensor) return null;
  if (tensor.shape.length !== 1 || tensor.shape[0] !== pairs) {
    throw wrong(`tensor "rope_freqs.weight" has shape [${tensor.shape.join(", ")}], wanted [${pairs}]`);
  }
  const factors = dequantize(tensor.type, await tensor.source.read(tensor.offset, tensor.bytes), pairs);
  const bad = factors.find((factor) => !(factor > 0 && factor < Infinity));
  if (bad !== undefined) throw wrong(`tensor "rope_freqs.weight" has a factor of ${bad}, wanted more than 0`);
  return factors;
}
