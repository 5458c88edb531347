import type { ChatMessage } from "../tokenizer/chat-template.ts";
import { isRecord } from "../util/is-record.ts";

/** A message whose content is a text, or null beside the tool calls of an assistant who says nothing. */
export interface TextMessage extends ChatMessage {
  readonly content: string | null;
}

/** One prompt of a dataset. */
export interface DatasetSample {
  /** The dataset's own id, as "HumanEval/0" or "81"; else the row's number. */
  readonly id: string;
  /** The conversation as the dataset has it: one message of the user's at least, none of which is blank. */
  readonly messages: readonly TextMessage[];
  /** "complete": the message is the beginning of a program, to be continued as it stands. "answer": it is a message. */
  readonly task: "complete" | "answer";
}

/** The columns that hold an id, the likeliest first. */
const IDS = ["task_id", "question_id", "prompt_id", "id", "conversation_id", "conversation_hash", "custom_id"];
/** The columns that hold a conversation. */
const CONVERSATIONS = ["messages", "conversations", "conversation", "conversation_a", "items", "dialog", "data"];
/** The columns that hold a prompt, the likeliest first; "body" is that of a request to OpenAI's API. */
const PROMPTS = [
  "turns",
  ...CONVERSATIONS,
  "body",
  "prompt",
  "instruction",
  "question",
  "query",
  "problem",
  "text",
  "input",
];
/** What an instruction is about, in a column of its own: Alpaca's and Dolly's. It follows on a line of its own. */
const INPUTS = ["input", "context"];
const SYSTEMS = ["system", "system_prompt"];

/** All columns that may be needed for a sample. */
export const COLUMNS: readonly string[] = [...IDS, ...PROMPTS, ...INPUTS, ...SYSTEMS];

/** Speakers by other names than templates know; the first four lines are ShareGPT's. */
const ROLES: Readonly<Record<string, string>> = {
  human: "user",
  gpt: "assistant",
  ...Object.fromEntries(["chatgpt", "bing", "bard", "claude", "bot", "model", "ai"].map((name) => [name, "assistant"])),
  function_call: "assistant",
  observation: "tool",
  function: "tool",
  prompter: "user",
  // OpenAI's name of newer models' system messages, which templates of Llamas don't know.
  developer: "system",
};

/** What templates know of a message beside its role and its content, as OpenAI's API names it. */
const FIELDS = ["name", "tool_calls", "tool_call_id"];

/** What a row must have, for errors. */
export function wantedForm(column: string | undefined): string {
  if (column !== undefined) return `wanted a text, a list of texts, or messages in "${column}"; correct --column`;
  const names = PROMPTS.map((name) => `"${name}"`).join(", ");
  return `wanted a text, a list of texts, or messages of "role" and "content" in one of ${names}; ` +
    "or name another column by --column";
}

/**
 * The sample in a parsed row, or a text that says why it has none. The prompt stands in `column`, or in the first of
 * the usual columns that has one; `at` is the id of a row without. Of a message's parts only the texts are taken; what
 * a template wants of its tool calls stays.
 */
export function sampleOf(row: unknown, at: number, column?: string): DatasetSample | string {
  if (!isRecord(row)) return "is not a JSON object";
  const names = (column === undefined ? PROMPTS : [column]).filter((name) => Object.hasOwn(row, name));
  for (const name of names) {
    const messages = conversationOf(row, name);
    if (!messages.some(({ role }) => role === "user")) continue;
    const task = name === "prompt" && typeof row.task_id === "string" ? "complete" : "answer";
    const id = IDS.map((name) => row[name]).find((id) => /^(string|number|bigint)$/.test(typeof id));
    return { id: String(id ?? at), messages, task };
  }
  if (names.length > 0) return `has no prompt in ${names.map((name) => `"${name}"`).join(", ")}`;
  return `has the columns ${Object.keys(row).map((name) => JSON.stringify(name)).join(", ") || "none"}`;
}

/** The user's messages of a conversation. */
export function userTurns({ messages }: DatasetSample): TextMessage[] {
  return messages.filter(({ role }) => role === "user");
}

/**
 * The conversation up to what its last answer answers: to the last assistant turn, without it, or whole where it ends
 * by another. The original program cuts so (`benchmark.py` and `run_example.py` of github.com/BradMcDanel/amusd), but
 * for a message of the user's behind the last assistant turn, which it leaves out.
 */
export function lastPrompt({ messages }: DatasetSample): readonly TextMessage[] {
  const answer = messages.findLastIndex(({ role }) => role === "assistant");
  const question = messages.findLastIndex(({ role }) => role === "user" || role === "tool");
  return answer < question ? messages : messages.slice(0, answer);
}

/** What the messages say, a blank line between two, for a model without a chat template. */
export function plainText(messages: readonly TextMessage[]): string {
  return messages.flatMap(({ content }) => content ?? []).join("\n\n");
}

function conversationOf(row: Record<string, unknown>, name: string): TextMessage[] {
  const value = row[name];
  if (name === "body" && isRecord(value)) {
    return ["messages", "prompt", "input"].map((key) => messagesOf(value[key], key)).find(({ length }) => length) ?? [];
  }
  const messages = messagesOf(value, name);
  if (name === "instruction" && messages.length > 0) {
    const input = INPUTS.map((key) => row[key]).find(isText);
    if (input !== undefined) return withSystem(row, userMessages([`${messages[0]!.content}\n${input}`]));
  }
  return withSystem(row, messages);
}

/** The messages behind the row's system text, if it has one in a column of its own. */
function withSystem(row: Record<string, unknown>, messages: TextMessage[]): TextMessage[] {
  const system = SYSTEMS.map((key) => row[key]).find(isText);
  if (system === undefined || messages.some(({ role }) => role === "system")) return messages;
  return [{ role: "system", content: system }, ...messages];
}

/** The messages in a text, a list of texts, or a list of messages; none where it is none of these. */
function messagesOf(value: unknown, name: string): TextMessage[] {
  if (isText(value)) return userMessages([value]);
  if (!Array.isArray(value)) return [];
  if (value.every((turn) => typeof turn === "string")) {
    if (!CONVERSATIONS.includes(name)) return userMessages(value.filter(isText));
    // UltraChat's and LIMA's texts are the user's and the assistant's in turn.
    return said(value.map((content, i) => ({ role: i % 2 === 0 ? "user" : "assistant", content })));
  }
  const records = value.filter(isRecord);
  const messages = said(records.flatMap(messageOf));
  // Answers before the first question are left over where ShareGPT's conversations were cut.
  const isShareGpt = records.length > 0 && records[0]!.from !== undefined;
  const question = messages.findIndex(({ role }) => role === "user");
  return isShareGpt ? messages.filter(({ role }, i) => role !== "assistant" || i > question) : messages;
}

function userMessages(texts: readonly string[]): TextMessage[] {
  return texts.map((content) => ({ role: "user", content }));
}

/** The messages but those of users and systems without a text. */
function said(messages: readonly TextMessage[]): TextMessage[] {
  return messages.filter(({ role, content }) => isText(content) || role !== "user" && role !== "system");
}

function messageOf(message: Record<string, unknown>): TextMessage[] {
  const who = message.role ?? message.from;
  if (typeof who !== "string") return [];
  const role = who.toLowerCase();
  const said = message.content ?? message.value ?? message.text;
  const fields = Object.fromEntries(
    FIELDS.map((field) => [field, message[field]]).filter(([, value]) => value !== undefined && value !== null),
  );
  const content = (said === undefined || said === null) && Array.isArray(message.tool_calls) ? null : textOf(said);
  return [{ role: Object.hasOwn(ROLES, role) ? ROLES[role]! : role, content, ...fields }];
}

/** The text of a message's content: of a text, or of the parts that are one. */
function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  if (Array.isArray(content)) return content.map(textOf).join("");
  return isRecord(content) && typeof content.text === "string" ? content.text : "";
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.trim() !== "";
}
