// Small models with random weights, for tests that need whole engines. They have one layer: compiling the kernels takes
// most of the time anyway.

import { type MetadataEntry, type RandomLlama, randomLlama, randomLlamaParts } from "./checkpoint/gguf-builder.ts";

/** The number of tokens of text, of which the last is `<|endoftext|>`. */
export const TEXT_TOKENS = 288;
/** The number of all tokens: padding comes after those of text. */
export const VOCABULARY = 320;
/** The number of positions that the models say they were trained for. */
export const TRAINED_CONTEXT = 256;

export interface RandomModel {
  readonly seed?: number;
  /** The number of all tokens, at least TEXT_TOKENS. */
  readonly vocabulary?: number;
  /** The base of RoPE. Models that differ in nothing else agree on a part of their tokens. */
  readonly ropeBase?: number;
  /** Keys that replace those that are written by default, or come beside them. */
  readonly metadata?: readonly MetadataEntry[];
}

/** This writes each message between `<` and `>`, so that only texts with equal messages begin alike. */
const CHAT_TEMPLATE = "{% for m in messages %}<{{ m.role }}:{{ m.content }}>{% endfor %}" +
  "{% if add_generation_prompt %}<assistant:{% endif %}";

/** The GGUF file of a small model with random weights. All of them have one vocabulary, but for padding at its end. */
export function randomModel(
  { seed = 1, vocabulary = VOCABULARY, ropeBase = 10_000, metadata = [] }: RandomModel = {},
): Uint8Array<ArrayBuffer> {
  const tokenizer = randomLlamaParts({ ...SHAPE, seed: 0, vocabulary: TEXT_TOKENS, tokenizer: true }).metadata
    .filter(([key]) => key.startsWith("tokenizer."))
    .map(([key, type, value]): MetadataEntry => {
      const padding = {
        "tokenizer.ggml.tokens": (id: number) => `[PAD${id}]`,
        "tokenizer.ggml.token_type": () => 5,
      }[key];
      if (!padding || !Array.isArray(value)) return [key, type, value];
      return [key, type, [
        ...value,
        ...Array.from({ length: vocabulary - TEXT_TOKENS }, (_, i) => padding(TEXT_TOKENS + i)),
      ]];
    });
  const own: MetadataEntry[] = [
    ...tokenizer,
    ["llama.context_length", "u32", TRAINED_CONTEXT],
    ["llama.rope.freq_base", "f32", ropeBase],
    ["tokenizer.chat_template", "string", CHAT_TEMPLATE],
  ];
  const replaced = own.filter(([key]) => metadata.every(([other]) => other !== key));
  return randomLlama({ ...SHAPE, seed, vocabulary, metadata: [...replaced, ...metadata] });
}

const SHAPE: Omit<RandomLlama, "seed" | "vocabulary"> = {
  layers: 1,
  hidden: 64,
  heads: 1,
  kvHeads: 1,
  headSize: 64,
  feedForward: 64,
  type: "Q4_0",
  tied: false,
};
