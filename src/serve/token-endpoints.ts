import { chatPrompt } from "./chat-completions.ts";
import { invalid } from "./api-error.ts";
import { checked } from "./schemas.ts";
import type { Service } from "./service.ts";

/** Text to tokens, as llama.cpp (`content`) or vLLM (`prompt`) is asked for it. */
export function tokenize({ engine: { codec } }: Service, body: unknown): unknown {
  const fields = checked("Tokenize", body);
  const text = fields.content ?? fields.prompt;
  if (typeof text !== "string") throw invalid("content", 'is missing; "content" or "prompt" has the text');
  const isVllms = fields.content === undefined;
  const addBos = fields.add_special ?? fields.add_special_tokens ?? isVllms;
  const tokens = codec.encodeText(text, { special: fields.parse_special !== false, addBos: addBos === true });
  if (isVllms) return { tokens, count: tokens.length, max_model_len: codec.contextLength };
  if (fields.with_pieces !== true) return { tokens };
  return {
    tokens: tokens.map((id) => {
      const bytes = codec.bytesOf(id);
      const piece = new TextDecoder().decode(bytes);
      // A piece that is no whole character is told by its bytes.
      return { id, piece: piece.includes("\ufffd") ? [...bytes] : piece };
    }),
  };
}

/** Tokens to text. */
export function detokenize({ engine: { codec } }: Service, body: unknown): unknown {
  const tokens = checked("Detokenize", body).tokens as number[];
  const stray = tokens.findIndex((token) => token >= codec.vocabulary);
  if (stray >= 0) throw invalid(`tokens[${stray}]`, `is ${tokens[stray]}; the vocabulary has ${codec.vocabulary}`);
  const text = codec.textOf(tokens);
  return { content: text, prompt: text };
}

/** What lm-evaluation-harness asks a tokenizer for. */
export function tokenizerInfo({ engine: { codec } }: Service): unknown {
  const { bosText, eosText, chatTemplate } = codec;
  return { bos_token: bosText, eos_token: eosText, pad_token: null, chat_template: chatTemplate };
}

/** The prompt that a conversation makes, without an answer to it. */
export function applyTemplate(service: Service, body: unknown): unknown {
  return { prompt: chatPrompt(service, checked("ApplyTemplate", body)).text };
}

/** How many tokens the prompt of a conversation has. */
export function countInputTokens(service: Service, body: unknown): unknown {
  return { input_tokens: chatPrompt(service, checked("ApplyTemplate", body)).tokens.length };
}
