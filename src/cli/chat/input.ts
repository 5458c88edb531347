import { createInterface, type Interface } from "node:readline";
import { Pastes } from "./pastes.ts";

/** What marks a message of several lines, before and behind it. */
const BLOCK = '"""';

export interface InputOptions {
  readonly input: NodeJS.ReadStream;
  readonly output: NodeJS.WriteStream;
  /** Former lines, the newest first, and what takes the new ones. */
  readonly history: readonly string[];
  readonly onHistory: (lines: readonly string[]) => void;
  readonly complete: (line: string) => readonly string[];
}

/**
 * What a person types, message by message: with editing and history at a terminal, else line by line. A message may
 * have several lines: between lines of """, with a \ at the end of all but the last, or pasted.
 */
export class Input {
  /** Hears of Ctrl-C. */
  onInterrupt: () => void = () => {};
  /** Hears that there are no more messages: of Ctrl-D, say. */
  onClose: () => void = () => {};
  readonly #readline: Interface;
  readonly #isTerminal: boolean;
  readonly #pastes: Pastes | undefined;
  readonly #lines: string[] = [];
  #isClosed = false;
  #wake: () => void = () => {};

  constructor({ input, output, history, onHistory, complete }: InputOptions) {
    this.#isTerminal = input.isTTY === true && output.isTTY === true;
    this.#pastes = this.#isTerminal ? new Pastes(input, output, (line) => this.#readline.write(line)) : undefined;
    this.#readline = createInterface({
      input: this.#pastes ?? input,
      output: this.#isTerminal ? output : undefined,
      terminal: this.#isTerminal,
      history: [...history],
      completer: (line: string) => [complete(line), line],
      prompt: "> ",
    });
    this.#readline.on("line", (line) => {
      this.#lines.push(line);
      this.#wake();
    });
    this.#readline.on("close", () => {
      this.#isClosed = true;
      this.#pastes?.leave();
      this.onClose();
      this.#wake();
    });
    this.#readline.on("SIGINT", () => this.onInterrupt());
    this.#readline.on("history", (lines) => onHistory(lines));
  }

  /** The next message, or undefined once there are no more. */
  async next(): Promise<string | undefined> {
    if (this.#isTerminal && this.#lines.length === 0) this.#show("> ");
    let line = await this.#line();
    if (line === undefined) return undefined;
    const isBlock = line.startsWith(BLOCK);
    if (isBlock) line = line.slice(BLOCK.length);
    const lines = [line];
    const isOpen = () => isBlock ? !lines.at(-1)!.endsWith(BLOCK) : lines.at(-1)!.endsWith("\\");
    for (;;) {
      if (isOpen()) {
        if (this.#lines.length === 0) this.#show("... ");
      } else break;
      const more = await this.#line();
      if (more === undefined) break;
      lines.push(more);
    }
    const text = lines.map((one) => isBlock ? one : one.replace(/\\$/, "")).join("\n");
    return Pastes.text(isBlock ? text.replace(new RegExp(`${BLOCK}$`), "").trim() : text);
  }

  close(): void {
    this.#readline.close();
  }

  /** Throws away what is typed on the line, and begins a new one. */
  clearLine(): void {
    // As if Ctrl-E and Ctrl-U were typed.
    for (const name of ["e", "u"]) this.#readline.write(null, { ctrl: true, name });
    this.#readline.prompt();
  }

  #show(prompt: string): void {
    if (!this.#isTerminal || this.#isClosed) return;
    this.#readline.setPrompt(prompt);
    this.#readline.prompt();
  }

  async #line(): Promise<string | undefined> {
    while (this.#lines.length === 0 && !this.#isClosed) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    return this.#lines.shift();
  }
}
