// Small models with random weights, for tests that need whole engines. One layer: what takes time is to compile kernels.

import { type MetadataEntry, type RandomLlama, randomLlama, randomLlamaParts } from "./checkpoint/gguf-builder.ts";

/** Tokens of text and `<|endoftext|>`, the last of them. */
export const TEXT_TOKENS = 288;
/** With padding behind them. */
export const VOCABULARY = 320;
export const TRAINED_CONTEXT = 256;

export interface RandomModel {
  readonly seed?: number;
  /** TEXT_TOKENS or more. */
  readonly vocabulary?: number;
  /** Models that differ in this alone agree on a part of their tokens. */
  readonly ropeBase?: number;
  /** In place of what is written by default under the same key, or beside it. */
  readonly metadata?: readonly MetadataEntry[];
}

/** Every message between `<` and `>`, so that no text begins alike but by its messages. */
const CHAT_TEMPLATE = "{% for m in messages %}<{{ m.role }}:{{ m.content }}>{% endfor %}" +
  "{% if add_generation_prompt %}<assistant:{% endif %}";

/** The file of a small model with random weights; all of them share a vocabulary but for padding at its end. */
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
