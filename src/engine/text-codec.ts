import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { type ChatMessage, encodeChat } from "../tokenizer/chat-template.ts";
import { TextStream } from "../tokenizer/text-stream.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";

/** What a conversation's tokens depend on beside its messages. */
export interface EncodeChatOptions {
  /** The day that some templates tell the model; default: today. */
  readonly date?: Date;
  /** The tools that the model may call, as OpenAI's API has them: `{ type: "function", function: { name, … } }`. */
  readonly tools?: readonly unknown[];
}

/** Text to tokens and back, as a model file has it: its tokenizer and its chat template. */
export class TextCodec {
  /** Tokens of a text that the model was trained for. */
  readonly contextLength: number;
  readonly #tokenizer: Tokenizer;
  readonly #metadata: Checkpoint["metadata"];

  /** @internal */
  constructor(tokenizer: Tokenizer, metadata: Checkpoint["metadata"], contextLength: number) {
    this.#tokenizer = tokenizer;
    this.#metadata = metadata;
    this.contextLength = contextLength;
  }

  /**
   * The tokens of a prompt: one user message in the chat template, or with `raw` the text itself, in which the text of
   * a control token, such as `<|im_start|>`, is that token unless `special` is false.
   */
  encode(prompt: string, options: { readonly raw?: boolean; readonly special?: boolean } = {}): number[] {
    if (options.raw) return this.#tokenizer.encode(prompt, { special: options.special ?? true });
    return this.encodeChat([{ role: "user", content: prompt }]);
  }

  /**
   * The tokens of a conversation in the chat template, up to where the model's answer begins. A date alone stands for
   * `{ date }`. Throws an Error where the model has no template, or the template refuses the conversation.
   */
  encodeChat(messages: readonly ChatMessage[], options: Date | EncodeChatOptions = {}): number[] {
    const { date, tools } = options instanceof Date ? { date: options } : options;
    return encodeChat(this.#tokenizer, this.#metadata, messages, { addGenerationPrompt: true, date, tools });
  }

  /** The text that each of an answer's tokens brings; joined, they are the answer's text. */
  pieces(tokens: readonly number[]): string[] {
    const stream = new TextStream(this.#tokenizer, { stop: [] });
    const pieces = tokens.map((token) => this.#tokenizer.eosIds.has(token) ? "" : stream.push(token));
    if (pieces.length > 0) pieces[pieces.length - 1] += stream.flush();
    return pieces;
  }
}
