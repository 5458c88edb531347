/** A family of vocabularies, with what tells that a vocabulary belongs to it. */
interface Sign {
  /** Whose vocabulary it is, for a person. */
  readonly whose: string;
  /** The value of `tokenizer.ggml.pre`. */
  readonly pre: string;
  /** Tokens that are there, all of them. */
  readonly tokens: readonly string[];
  /** The least and the most tokens, padding included. */
  readonly size?: readonly [least: number, most: number];
}

// In this order: later signs are also those of models before them.
const SIGNS: readonly Sign[] = [
  { whose: "Llama 4's", pre: "llama4", tokens: ["<|begin_of_text|>", "<|eot|>"], size: [200_000, 203_000] },
  { whose: "Llama 3's", pre: "llama-bpe", tokens: ["<|begin_of_text|>"] },
  { whose: "Llama 3's", pre: "llama-bpe", tokens: ["<｜begin▁of▁sentence｜>"], size: [128_000, 128_512] },
  { whose: "DeepSeek V3's", pre: "deepseek-v3", tokens: ["<｜begin▁of▁sentence｜>"], size: [128_513, 130_000] },
  { whose: "DeepSeek LLM's", pre: "deepseek-llm", tokens: ["<｜begin▁of▁sentence｜>"], size: [100_000, 103_000] },
  { whose: "Qwen 2's", pre: "qwen2", tokens: ["<｜begin▁of▁sentence｜>"], size: [151_000, 153_000] },
  { whose: "DeepSeek Coder's", pre: "deepseek-coder", tokens: ["<｜fim▁hole｜>"] },
  { whose: "DeepSeek LLM's", pre: "deepseek-llm", tokens: ["<｜begin▁of▁sentence｜>"] },
  { whose: "Seed-Coder's", pre: "seed-coder", tokens: ["<[begin▁of▁sentence]>"] },
  { whose: "Mistral's Tekken", pre: "tekken", tokens: ["[INST]", "[/INST]", "<s>"] },
  { whose: "Falcon 3's", pre: "falcon3", tokens: [">>ABSTRACT<<"], size: [130_000, 132_000] },
  { whose: "Falcon's", pre: "falcon", tokens: [">>ABSTRACT<<"] },
  { whose: "Command R's", pre: "command-r", tokens: ["<BOS_TOKEN>"] },
  { whose: "GPT-4's", pre: "dbrx", tokens: ["<|endofprompt|>"], size: [100_000, 101_000] },
  { whose: "GPT-4o's", pre: "gpt-4o", tokens: ["<|endoftext|>"], size: [199_000, 203_000] },
  { whose: "SmolLM's", pre: "smollm", tokens: ["<|endoftext|>", "<file_sep>"] },
  { whose: "StarCoder's", pre: "starcoder", tokens: ["<|endoftext|>", "<fim_prefix>"] },
  { whose: "Qwen 2's", pre: "qwen2", tokens: ["<|endoftext|>", "<|im_start|>"], size: [150_000, 153_000] },
  { whose: "Qwen 2's", pre: "qwen2", tokens: ["<|endoftext|>", "<|fim_prefix|>"] },
  { whose: "GPT-2's", pre: "gpt-2", tokens: ["<|endoftext|>"], size: [50_000, 50_700] },
];

/** Tells by the special tokens and the size of a byte-level vocabulary whose it is; `undefined` where nothing tells. */
export function guessFamily(tokens: readonly string[]): { readonly whose: string; readonly pre: string } | undefined {
  const there = new Set(tokens);
  return SIGNS.find(({ tokens: signs, size: [least, most] = [0, Infinity] }) =>
    tokens.length >= least && tokens.length <= most && signs.every((sign) => there.has(sign))
  );
}
