import { readContent } from "../input.ts";
import { writeWhole } from "../output.ts";
import { type AnswerFigures, askServer, type Fetch } from "./client.ts";
import type { Colours } from "./colours.ts";
import { Conversation } from "./conversation.ts";
import { set, SETTING_NAMES, type Settings } from "./settings.ts";

/** Where a chat's answers come from. */
export interface ChatServer {
  readonly fetch: Fetch;
  /** The address before /chat/completions. */
  readonly url: string;
  readonly key?: string;
}

export interface ChatOutput {
  /** Takes the conversation. */
  readonly write: (text: string) => void;
  /** Takes a line beside it. */
  readonly note: (line: string) => void;
  readonly colours: Colours;
}

/** What came of an answer. */
interface Answer {
  readonly text: string;
  readonly figures: AnswerFigures | undefined;
}

/** The commands of a chat, with their arguments and what they do. */
export const HELP: readonly (readonly [string, string])[] = [
  ["/help", "these commands"],
  ["/clear", "forget the conversation, but for the system text"],
  ["/regen", "answer the last question anew"],
  ["/undo", "take the last question and its answer back"],
  ["/save FILE", "write the conversation to a file"],
  ["/load FILE", "go on with a conversation of such a file"],
  ["/system [TEXT]", "what the model is told before all; without a text nothing"],
  ["/set [NAME [VALUE]]", `how answers are written: ${SETTING_NAMES.join(", ")}`],
  ["/strategy NAME", "greedy, sd or amusd; the text is the same"],
  ["/stats", "figures of all answers so far"],
  ["/trace FILE", "write a trace of the next answer, which opens in Perfetto"],
  ["/race", "answer the last question by greedy, then by amusd, and compare the times"],
  ["/tokens", "show or hide who wrote each token"],
  ["/exit", "leave; so does Ctrl-D"],
];

/** A conversation with a model: what a person types goes in, text and notes come out. */
export class ChatSession {
  readonly conversation = new Conversation();
  readonly #server: ChatServer;
  readonly #output: ChatOutput;
  readonly #settings: Settings;
  #answers = { count: 0, tokens: 0, ms: 0, drafted: 0, accepted: 0 };
  #traceFile: string | undefined;
  #running: AbortController | undefined;

  constructor(server: ChatServer, settings: Settings, output: ChatOutput) {
    this.#server = server;
    this.#settings = settings;
    this.#output = output;
  }

  /** Ends the answer that comes, whose text so far stays; false where none comes. */
  interrupt(): boolean {
    this.#running?.abort();
    return this.#running !== undefined;
  }

  /** Takes a message or a command. False: it asked to leave. Errors are notes: a chat goes on after them. */
  async take(message: string): Promise<boolean> {
    try {
      if (!message.startsWith("/")) await this.#say(message);
      else if (/^\/(exit|quit|bye)\b/.test(message)) return false;
      else await this.#command(message);
    } catch (error) {
      this.#output.note(error instanceof Error ? error.message : String(error));
    }
    return true;
  }

  async #command(message: string): Promise<void> {
    const [, name = "", rest = ""] = /^\/(\S*)\s*(.*)$/s.exec(message)!;
    const { note, colours } = this.#output;
    const file = () => {
      if (rest === "") throw new Error(`/${name} wants a file's name`);
      return rest;
    };
    switch (name) {
      case "help":
      case "?":
        return HELP.forEach(([command, what]) => note(`${command.padEnd(22)}${what}`));
      case "clear":
        return this.conversation.clear();
      case "undo":
        if (this.conversation.undo() === undefined) throw new Error("There is nothing to take back");
        return;
      case "regen":
        return await this.#say(this.#lastQuestion());
      case "save":
        await writeWhole(file(), this.conversation.toJson());
        return note(`Written to ${rest}`);
      case "load": {
        const text = await readContent(file(), "load");
        try {
          this.conversation.load(text);
        } catch (error) {
          throw new Error(`Cannot load "${rest}": ${(error as Error).message}`);
        }
        return note(`${this.conversation.messages.length} messages`);
      }
      case "system":
        this.conversation.system = rest;
        return;
      case "set": {
        const [, setting = "", value = ""] = /^(\S*)\s*(.*)$/s.exec(rest)!;
        if (setting !== "") return set(this.#settings, setting, value);
        const shown = this.#settings as unknown as Record<string, unknown>;
        return SETTING_NAMES.forEach((one) => note(`${one.padEnd(14)}${shown[one] ?? "default"}`));
      }
      case "strategy":
        return set(this.#settings, "strategy", rest);
      case "stats":
        return note(this.#statistics());
      case "trace":
        this.#traceFile = file();
        return;
      case "race":
        return await this.#race(this.#lastQuestion());
      case "tokens":
        colours.tokens = !colours.tokens;
        return note(colours.tokens ? colours.legend || "This is no terminal with colours" : "Tokens are plain");
      default:
        throw new Error(`There is no /${name}; /help lists all commands`);
    }
  }

  /** Takes the last question back, to ask it anew. */
  #lastQuestion(): string {
    const question = this.conversation.undo();
    if (question === undefined) throw new Error("There was no question yet");
    return question;
  }

  /** An answer that an error cut short leaves the conversation as it was, so that the question can be asked again. */
  async #say(content: string): Promise<void> {
    const { text, figures } = await this.#answer(content, this.#settings);
    this.conversation.add({ role: "user", content }, { role: "assistant", content: text });
    if (figures) this.#output.note(figuresText(figures));
  }

  async #answer(content: string, settings: Settings): Promise<Answer> {
    const { write, note, colours } = this.#output;
    const { fetch, url, key } = this.#server;
    const body = {
      ...settings,
      messages: [...this.conversation.messages, { role: "user", content }],
      ...this.#traceFile !== undefined && { trace: true },
    };
    const running = this.#running = new AbortController();
    let [text, figures] = ["", undefined as AnswerFigures | undefined];
    let stopped = false;
    try {
      for await (const event of askServer(fetch, url, body, running.signal, key)) {
        if (event.kind === "text") {
          text += event.text;
          write(colours.answer(event.text, event.tokens));
        } else if (event.kind === "trace") await this.#writeTrace(event.trace);
        else this.#count(figures = event.figures);
      }
    } catch (error) {
      if (!running.signal.aborted) throw error;
      stopped = true;
    } finally {
      this.#running = undefined;
      write("\n");
    }
    if (stopped) note("(stopped)");
    return { text, figures };
  }

  async #writeTrace(trace: unknown): Promise<void> {
    const file = this.#traceFile!;
    this.#traceFile = undefined;
    await writeWhole(file, JSON.stringify(trace));
    this.#output.note(`Trace written to ${file}`);
  }

  #count({ predicted_n: tokens, predicted_per_token_ms: ms, draft_n: drafted, draft_n_accepted }: AnswerFigures): void {
    const all = this.#answers;
    this.#answers = {
      count: all.count + 1,
      tokens: all.tokens + tokens,
      ms: all.ms + ms * tokens,
      drafted: all.drafted + drafted,
      accepted: all.accepted + draft_n_accepted,
    };
  }

  #statistics(): string {
    const { count, tokens, ms, drafted, accepted } = this.#answers;
    if (count === 0) return "No answers yet";
    return `${count} answers, ${tokens} tokens, ${(ms / tokens).toFixed(1)} ms a token, ` +
      `${accepted} of ${drafted} drafted tokens accepted`;
  }

  /** Both draw with one seed, so the texts are the same; neither gains by what the other left in the KV cache. */
  async #race(content: string): Promise<void> {
    const seed = this.#settings.seed ?? crypto.getRandomValues(new Uint32Array(1))[0]!;
    const answers: Answer[] = [];
    for (const strategy of ["greedy", "amusd"]) {
      this.#output.note(`${strategy}:`);
      answers.push(await this.#answer(content, { ...this.#settings, seed, strategy, cache_prompt: false } as Settings));
    }
    const [greedy, amusd] = answers.map(({ figures }) => figures?.predicted_per_token_ms ?? NaN) as [number, number];
    this.conversation.add({ role: "user", content }, { role: "assistant", content: answers.at(-1)!.text });
    const same = answers[0]!.text === answers[1]!.text ? "the same text" : "different texts: one was stopped";
    this.#output.note(
      `greedy ${greedy.toFixed(1)} ms a token, amusd ${amusd.toFixed(1)}: ${
        (greedy / amusd).toFixed(2)
      } times as fast; ` +
        same,
    );
  }
}

function figuresText(
  { predicted_n, predicted_per_token_ms, draft_n, draft_n_accepted, cache_n }: AnswerFigures,
): string {
  const drafts = draft_n === 0 ? "no drafts" : `${draft_n_accepted} of ${draft_n} drafted accepted`;
  return `${predicted_n} tokens, ${predicted_per_token_ms.toFixed(1)} ms a token, ${drafts}, ${cache_n} cached`;
}
