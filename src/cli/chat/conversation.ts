import { isRecord } from "../../util/is-record.ts";

/** A message of a conversation, as session files have it. */
export interface Message {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

/** The messages of a chat, and what can be done with them. */
export class Conversation {
  #messages: readonly Message[] = [];

  get messages(): readonly Message[] {
    return this.#messages;
  }

  /** What the model is told before all; "" for nothing. */
  get system(): string {
    const [first] = this.#messages;
    return first?.role === "system" ? first.content : "";
  }

  set system(content: string) {
    const rest = this.#messages.filter(({ role }) => role !== "system");
    this.#messages = content === "" ? rest : [{ role: "system", content }, ...rest];
  }

  add(...messages: readonly Message[]): void {
    this.#messages = [...this.#messages, ...messages];
  }

  /** Forgets all but the system text. */
  clear(): void {
    this.#messages = this.#messages.filter(({ role }) => role === "system");
  }

  /** Takes the last question and its answer back; the question, or undefined where there is none. */
  undo(): string | undefined {
    const at = this.#messages.findLastIndex(({ role }) => role === "user");
    if (at < 0) return undefined;
    const { content } = this.#messages[at]!;
    this.#messages = this.#messages.slice(0, at);
    return content;
  }

  /** The conversation as a file has it. */
  toJson(): string {
    return `${JSON.stringify({ messages: this.#messages }, null, 1)}\n`;
  }

  /** Reads such a file's text, and takes its messages. Throws an Error of one line where it is none. */
  load(text: string): void {
    let file: unknown;
    try {
      file = JSON.parse(text);
    } catch {
      throw new Error("it is no JSON; give a file that /save wrote");
    }
    const messages = isRecord(file) ? file.messages : file;
    const isMessage = (one: unknown): one is Message =>
      isRecord(one) && ["system", "user", "assistant"].includes(`${one.role}`) && typeof one.content === "string";
    if (!Array.isArray(messages) || !messages.every(isMessage)) {
      throw new Error('it has no "messages" with "role" and "content"; give a file that /save wrote');
    }
    this.#messages = messages.map(({ role, content }) => ({ role, content }));
  }
}
