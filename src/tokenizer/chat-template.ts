import { jsonLength, quote } from "../util/text.ts";
import { Budget } from "./jinja/budget.ts";
import { asText } from "./jinja/builtin.ts";
import { render } from "./jinja/interpreter.ts";
import { fromJson, PyFunction, type Value } from "./jinja/values.ts";
import { formatDate } from "./strftime.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** A part of a message's content, as OpenAI's API has them; templates of models that read text know "text" alone. */
export interface ContentPart {
  /** Its kind: "text", "image_url" and so on. */
  readonly type: string;
  /** The text of a part of the kind "text". */
  readonly text?: string;
  /** What parts of other kinds have. */
  readonly [field: string]: unknown;
}

/**
 * One turn of a conversation, as OpenAI's API has messages. A template sees all its fields, further ones too
 * (`reasoning_content`, for example), but those that are null or undefined.
 */
export interface ChatMessage {
  /** Who speaks, by a word that the model's template knows: mostly "system", "user", "assistant" or "tool". */
  readonly role: string;
  /** The text of the turn, or its parts where the model's template knows parts; null where it only calls tools. */
  readonly content?: string | readonly ContentPart[] | null;
  /** The speaker's name, or that of the tool that answers. */
  readonly name?: string;
  /** The calls that an assistant's turn makes: `{ id, type: "function", function: { name, arguments } }`. */
  readonly tool_calls?: readonly unknown[] | null;
  /** The `id` of the call that a tool's turn answers. */
  readonly tool_call_id?: string;
  /** What else the model's template knows. */
  readonly [field: string]: unknown;
}

/** How a conversation is rendered. */
export interface ChatOptions {
  /** Whether the text goes on to where the assistant's next message begins. */
  readonly addGenerationPrompt: boolean;
  /** The day that some templates write (Llama 3.2's); default: now. With one date a session's texts begin alike. */
  readonly date?: Date;
  /** The tools that the model may call, as OpenAI's API has them: `{ type: "function", function: { name, … } }`. */
  readonly tools?: readonly unknown[];
}

/** The special tokens that transformers gives to a template, by their GGUF keys. */
const SPECIAL_TOKENS: Readonly<Record<string, string>> = {
  bos_token: "bos_token_id",
  eos_token: "eos_token_id",
  unk_token: "unknown_token_id",
  sep_token: "seperator_token_id",
  pad_token: "padding_token_id",
  cls_token: "cls_token_id",
  mask_token: "mask_token_id",
};

/** What a message's reasoning is called; transformers gives it to templates by the first two of these names. */
const REASONING_FIELDS = ["reasoning_content", "thinking", "reasoning"];

/**
 * Renders a conversation by the template in the model's metadata, as Hugging Face's `apply_chat_template` does. Throws
 * an Error where the model has no template, where the template refuses the conversation, and where it takes more than
 * about a second or some 30 MiB: a template comes from a stranger.
 */
export function renderChat(
  metadata: ReadonlyMap<string, unknown>,
  messages: readonly ChatMessage[],
  { addGenerationPrompt, date = new Date(), tools }: ChatOptions,
): string {
  const template = templateOf(metadata, tools !== undefined);
  const named = (name: string, use: (text: string) => Value) =>
    new PyFunction(name, ({ positional: [text] }) => use(asText(text, `the argument of ${name}()`)));
  const conversation = messages.map(templateMessage);
  const budget = new Budget(jsonLength([conversation, tools]), messages.length);
  const variables: Record<string, Value> = {
    raise_exception: named("raise_exception", (message) => {
      throw new Error(message);
    }),
    strftime_now: named("strftime_now", (format) => {
      // "%c" is five directives, and makes 24 characters.
      budget.spend(50 * format.length);
      budget.text(12 * format.length);
      return formatDate(date, format);
    }),
    messages: fromJson(conversation),
    add_generation_prompt: addGenerationPrompt,
    tools: fromJson(tools ?? null),
    documents: null,
  };
  for (const [name, key] of Object.entries(SPECIAL_TOKENS)) {
    const token = specialToken(metadata, key);
    if (token !== undefined) variables[name] = token;
  }
  try {
    return render(template, Object.entries(variables), budget);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(
      `Cannot render a chat: the model's template says ${quote(reason)}; give the prompt as it is with --raw`,
      { cause: error },
    );
  }
}

/** The template for a conversation: of named ones "tool_use" where there are tools, else "default". */
function templateOf(metadata: ReadonlyMap<string, unknown>, hasTools: boolean): string {
  const template = (hasTools ? metadata.get("tokenizer.chat_template.tool_use") : undefined) ??
    metadata.get("tokenizer.chat_template");
  if (typeof template === "string") return template;
  throw new Error(
    'Cannot render a chat: the model has no "tokenizer.chat_template"; give the prompt as it is with --raw',
  );
}

/** A message as transformers gives it to a template: no field is null, and the reasoning has both its names. */
function templateMessage(message: ChatMessage): Readonly<Record<string, unknown>> {
  const fields = Object.fromEntries(
    Object.entries(message).filter(([, value]) => value !== null && value !== undefined),
  );
  const reasoning = REASONING_FIELDS.map((name) => fields[name]).find((value) => value !== undefined);
  return reasoning === undefined ? fields : { thinking: reasoning, ...fields, reasoning_content: reasoning };
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

/** The text of the token whose id the metadata has under `key`; undefined where there is no such token. */
export function specialToken(metadata: ReadonlyMap<string, unknown>, key: string): string | undefined {
  const tokens = metadata.get("tokenizer.ggml.tokens");
  const id = metadata.get("tokenizer.ggml." + key);
  const token: unknown = Array.isArray(tokens) && typeof id === "number" ? tokens[id] : undefined;
  return typeof token === "string" ? token : undefined;
}
