import { quote } from "../util/text.ts";

/** What sets an architecture apart from a plain Llama. Biases are told by their tensors, whatever the architecture. */
export interface Architecture {
  /** Whether a GGUF file has the rows of Q and K as Hugging Face orders them: GGML_ROPE_TYPE_NEOX of llama.cpp. */
  readonly halfSplit: boolean;
  /** Whether each head of Q and K is normed before RoPE. */
  readonly headNorms: boolean;
  /** Each how many layers one goes without RoPE, where a file doesn't say; 0: all have RoPE. */
  readonly noRopeInterval: number;
}

const LLAMA: Architecture = { halfSplit: false, headNorms: false, noRopeInterval: 0 };

/**
 * The architectures that run, by the names that GGUF files give them. Mistral's files say "llama". As in llama.cpp's
 * src/llama-model.cpp (llama_model_rope_type, and the tensors and constants of each architecture).
 */
export const ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  llama: LLAMA,
  qwen2: { ...LLAMA, halfSplit: true },
  qwen3: { ...LLAMA, halfSplit: true, headNorms: true },
  smollm3: { ...LLAMA, noRopeInterval: 4 },
};

/** The remedy of errors about a model of another kind. */
export const USE_ANOTHER = "use a Llama, Mistral, Qwen2, Qwen2.5, Qwen3 or SmolLM model";

/** The architecture that a GGUF file names. `error` makes the Error that is thrown where it does not run here. */
export function architectureOf(name: string, error: (state: string) => Error): Architecture {
  if (Object.hasOwn(ARCHITECTURES, name)) return ARCHITECTURES[name]!;
  const names = Object.keys(ARCHITECTURES).map(quote).join(", ");
  throw error(`its architecture is ${quote(name)}, wanted one of ${names}`);
}
