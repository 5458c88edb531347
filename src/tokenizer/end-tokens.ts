/** Tokens that end a generation, whatever type the file gives them: those in llama.cpp's list. */
const END_TOKENS: ReadonlySet<string> = new Set([
  "</s>",
  "<|eot_id|>",
  "<|eom_id|>",
  "<|end_of_text|>",
  "<|endoftext|>",
  "<|im_end|>",
  "<|end|>",
  "<|return|>",
  "<|call|>",
  "<|calls|>",
  "<|flush|>",
  "<end_of_turn>",
  "<end_of_utterance>",
  "<｜end▁of▁sentence｜>",
  "<EOT>",
  "_<EOT>",
  "▁<EOT>",
  "[EOT]",
  "[EOS]",
  "<eos>",
  "<turn|>",
  "<|tool_response>",
  "[e~[",
]);

/** Tokens beside which another one ends no generation: formats in which it only ends a part of the answer. */
const EXCEPTIONS: readonly { readonly beside: readonly string[]; readonly token: string }[] = [
  { beside: ["<|return|>", "<|call|>"], token: "<|end|>" },
  { beside: ["<|flush|>", "<|calls|>"], token: "<|end|>" },
  { beside: ["<|tool_response>"], token: "</s>" },
];

/** The ids of the tokens that end a generation by their text, as llama.cpp's src/llama-vocab.cpp knows them. */
export function endTokens(tokens: readonly string[]): number[] {
  const found = new Map<string, number>();
  tokens.forEach((token, id) => {
    if (END_TOKENS.has(token)) found.set(token, id);
  });
  for (const { beside, token } of EXCEPTIONS) if (beside.every((one) => found.has(one))) found.delete(token);
  return [...found.values()];
}
