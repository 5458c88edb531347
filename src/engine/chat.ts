import type { ChatMessage } from "../tokenizer/chat-template.ts";
import type { Generation, RunHost } from "./generation.ts";
import type { GenerationOptions } from "./generation-run.ts";

/** A chat's part in the run of an answer. */
export interface Turn {
  /** The run begins. Throws an Error where the conversation has gone on since. */
  begin(): void;
  end: RunHost["end"];
}

/** How a chat has an answer generated. */
export type Answer = (messages: readonly ChatMessage[], options: GenerationOptions, turn: Turn) => Generation;

/**
 * A conversation. The models are fed only what is new in each turn: their KV caches keep the rest, as long as nothing
 * else is generated in between.
 */
export class Chat {
  readonly #messages: ChatMessage[];
  readonly #answer: Answer;

  /** @internal */
  constructor(messages: readonly ChatMessage[], answer: Answer) {
    this.#messages = [...messages];
    this.#answer = answer;
  }

  /** All turns so far. */
  get messages(): readonly ChatMessage[] {
    return this.#messages;
  }

  /**
   * Says `content` as the user; the generation is the answer. Both join `messages` when the run has ended. Of an answer
   * that was aborted, or whose loop was left, the part that came joins. After an error nothing does, so that the same
   * message can be sent again; nor does anything of a generation that nobody awaits or iterates over. One turn follows
   * the other: a generation throws an Error as it begins, if the conversation has gone on since it was sent. Throws as
   * `Engine.generate` does.
   */
  send(content: string, options: GenerationOptions = {}): Generation {
    const user = { role: "user", content };
    const before = this.#messages.length;
    return this.#answer([...this.#messages, user], options, {
      begin: () => {
        if (this.#messages.length === before) return;
        throw new Error("Cannot answer: the conversation has gone on since this was sent; send it anew");
      },
      end: (run, failed) => {
        if (!failed) this.#messages.push(user, { role: "assistant", content: run.record.text });
      },
    });
  }
}
