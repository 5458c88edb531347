import { Environment, Interpreter, Template } from "@huggingface/jinja";
import { quote } from "../util/text.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** One turn of a conversation. */
export interface ChatMessage {
  /** Who speaks, by a word that the model's template knows: mostly "system", "user" or "assistant". */
  readonly role: string;
  /** The text of the turn. */
  readonly content: string;
}

/** How a conversation is rendered. */
export interface ChatOptions {
  /** Whether the text goes on to where the assistant's next message begins. */
  readonly addGenerationPrompt: boolean;
  /** The day that some templates write (Llama 3.2's); default: now. With one date a session's texts begin alike. */
  readonly date?: Date;
}

/**
 * Renders a conversation by the template in the model's metadata, as Hugging Face's `apply_chat_template` does. Throws
 * an Error where the model has no template, or where the template refuses the conversation.
 */
export function renderChat(
  metadata: ReadonlyMap<string, unknown>,
  messages: readonly ChatMessage[],
  { addGenerationPrompt, date = new Date() }: ChatOptions,
): string {
  const source = metadata.get("tokenizer.chat_template");
  if (typeof source !== "string") {
    throw new Error(
      'Cannot render a chat: the model has no "tokenizer.chat_template"; give the prompt as it is with --raw',
    );
  }
  // Template.render() won't do: its strftime_now writes months in the machine's language, and can't be replaced.
  const environment = new Environment();
  const variables: Record<string, unknown> = {
    // Jinja2 knows these constants in either case (its parser's parse_primary).
    true: true,
    false: false,
    none: null,
    True: true,
    False: false,
    None: null,
    range,
    raise_exception: (message: string) => {
      throw new Error(message);
    },
    strftime_now: (format: string) => formatDate(date, format),
    messages: messages.map(({ role, content }) => ({ role, content })),
    add_generation_prompt: addGenerationPrompt,
    bos_token: specialToken(metadata, "bos_token_id"),
    eos_token: specialToken(metadata, "eos_token_id"),
    tools: null,
  };
  for (const [name, value] of Object.entries(variables)) environment.set(name, value);
  try {
    // Jinja2's lexer makes all line ends alike, and a template may have been edited on Windows.
    const template = new Template(source.replace(/\r\n?/g, "\n"));
    return String(new Interpreter(environment).run(template.parsed).value);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(
      `Cannot render a chat: the model's template says ${quote(reason)}; give the prompt as it is with --raw`,
      { cause: error },
    );
  }
}

/**
 * Renders a conversation and turns it into token ids. A session that keeps its KV cache calls this with the longer
 * conversation and feeds the tokens after the longest common prefix. Where the model wants a BOS token, it comes first
 * and once, whether the template writes it or not. Throws an Error as `renderChat` does.
 */
export function encodeChat(
  tokenizer: Tokenizer,
  metadata: ReadonlyMap<string, unknown>,
  messages: readonly ChatMessage[],
  options: ChatOptions,
): number[] {
  return encodeRendered(tokenizer, renderChat(metadata, messages, options));
}

/** The tokens of a rendered conversation, with the BOS token once where the model wants it. */
export function encodeRendered(tokenizer: Tokenizer, text: string): number[] {
  const tokens = tokenizer.encode(text, { special: true, addBos: false });
  if (!tokenizer.addBos || tokens[0] === tokenizer.bosId) return tokens;
  return tokenizer.encode(text, { special: true, addBos: true });
}

/** The text of the token whose id the metadata has under `key`; "" where there is no such token. */
export function specialToken(metadata: ReadonlyMap<string, unknown>, key: string): string {
  const tokens = metadata.get("tokenizer.ggml.tokens");
  const id = metadata.get("tokenizer.ggml." + key);
  const token: unknown = Array.isArray(tokens) && typeof id === "number" ? tokens[id] : undefined;
  return typeof token === "string" ? token : "";
}

/** Python's range. */
function range(start: number, stop?: number, step = 1): number[] {
  const [from, to] = stop === undefined ? [0, start] : [start, stop];
  return Array.from({ length: Math.max(0, Math.ceil((to - from) / step)) }, (_, index) => from + index * step);
}

/** Writes a date as strftime does, in English and local time, with the directives that prompts use. */
function formatDate(date: Date, format: string): string {
  const name = (options: Intl.DateTimeFormatOptions) => new Intl.DateTimeFormat("en-US", options).format(date);
  const padded = (value: number) => String(value).padStart(2, "0");
  const parts: Record<string, () => string> = {
    "%d": () => padded(date.getDate()),
    "%m": () => padded(date.getMonth() + 1),
    "%b": () => name({ month: "short" }),
    "%B": () => name({ month: "long" }),
    "%Y": () => String(date.getFullYear()),
    "%a": () => name({ weekday: "short" }),
    "%A": () => name({ weekday: "long" }),
    "%H": () => padded(date.getHours()),
    "%M": () => padded(date.getMinutes()),
    "%S": () => padded(date.getSeconds()),
    "%%": () => "%",
  };
  return format.replace(/%./g, (directive) => parts[directive]?.() ?? directive);
}
