import { createInterface, type Interface } from "node:readline";

/** Lines that come as quickly one after the other as nobody types were pasted, and are one message. */
const PASTE_MS = 10;

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
  readonly #readline: Interface;
  readonly #isTerminal: boolean;
  readonly #lines: string[] = [];
  #isClosed = false;
  #wake: () => void = () => {};

  constructor({ input, output, history, onHistory, complete }: InputOptions) {
    this.#isTerminal = input.isTTY === true && output.isTTY === true;
    this.#readline = createInterface({
      input,
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
      } else if (isBlock || !await this.#isPasted()) break;
      const more = await this.#line();
      if (more === undefined) break;
      lines.push(more);
    }
    const text = lines.map((one) => isBlock ? one : one.replace(/\\$/, "")).join("\n");
    return isBlock ? text.replace(new RegExp(`${BLOCK}$`), "").trim() : text;
  }

  close(): void {
    this.#readline.close();
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

  /** Whether another line has come at once. Lines of a file come at once too, and are a message each. */
  async #isPasted(): Promise<boolean> {
    if (!this.#isTerminal) return false;
    if (this.#lines.length === 0) await new Promise((resolve) => setTimeout(resolve, PASTE_MS));
    return this.#lines.length > 0;
  }
}
