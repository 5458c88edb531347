import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import {
  type ChatMessage,
  type ChatOptions,
  encodeChat,
  encodeRendered,
  renderChat,
  specialToken,
} from "../tokenizer/chat-template.ts";
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
  /** The number of tokens; ids are below it. */
  readonly vocabulary: number;
  /** The text of the token that begins a text; null where there is none. */
  readonly bosText: string | null;
  /** The text of the token that ends one; null where there is none. */
  readonly eosText: string | null;
  /** The chat template; null where the model has none. */
  readonly chatTemplate: string | null;
  readonly #tokenizer: Tokenizer;
  readonly #metadata: Checkpoint["metadata"];

  /** @internal */
  constructor(tokenizer: Tokenizer, metadata: Checkpoint["metadata"], contextLength: number) {
    this.#tokenizer = tokenizer;
    this.#metadata = metadata;
    this.contextLength = contextLength;
    this.vocabulary = tokenizer.vocabulary;
    this.bosText = specialToken(metadata, "bos_token_id") ?? null;
    this.eosText = specialToken(metadata, "eos_token_id") ?? null;
    const template = metadata.get("tokenizer.chat_template");
    this.chatTemplate = typeof template === "string" ? template : null;
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

  /** The prompt that a conversation makes in the chat template. Throws an Error where the template refuses it. */
  render(messages: readonly ChatMessage[], options: ChatOptions): string {
    return renderChat(this.#metadata, messages, options);
  }

  /** The tokens of a text that the chat template made, or that is like one: with the model's BOS token, once. */
  encodeRendered(text: string): number[] {
    return encodeRendered(this.#tokenizer, text);
  }

  /** The tokens of a text; `special` says whether control tokens in it are tokens, or text like any other. */
  encodeText(text: string, options: { readonly special: boolean; readonly addBos: boolean }): number[] {
    return this.#tokenizer.encode(text, { ...options, addBos: options.addBos && this.#tokenizer.addBos });
  }

  /** The bytes that a token stands for; none for a control token. */
  bytesOf(token: number): Uint8Array {
    return this.#tokenizer.tokenBytes(token);
  }

  /** Whether a token ends an answer. */
  endsText(token: number): boolean {
    return this.#tokenizer.eosIds.has(token);
  }

  /** The text of tokens, control tokens by their names. */
  textOf(tokens: readonly number[]): string {
    const names = this.#metadata.get("tokenizer.ggml.tokens") as readonly string[];
    let text = "";
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    for (const token of tokens) {
      const bytes = this.bytesOf(token);
      text += bytes.length > 0 ? decoder.decode(bytes, { stream: true }) : decoder.decode() + names[token];
    }
    return text + decoder.decode();
  }

  /** The text that each of an answer's tokens brings; joined, they are the answer's text. */
  pieces(tokens: readonly number[]): string[] {
    const stream = new TextStream(this.#tokenizer, { stop: [] });
    const pieces = tokens.map((token) => this.#tokenizer.eosIds.has(token) ? "" : stream.push(token));
    if (pieces.length > 0) pieces[pieces.length - 1] += stream.flush();
    return pieces;
  }
}
