import type { AnswerToken } from "./client.ts";

/** ANSI colours by who wrote a token; LEGEND says what they mean. */
const COLOURS: Readonly<Record<AnswerToken["origin"], number>> = {
  accepted: 32,
  correction: 33,
  bonus: 36,
  verify: 39,
};

const LEGEND: Readonly<Record<AnswerToken["origin"], string>> = {
  accepted: "drafted, accepted",
  correction: "in place of a draft",
  bonus: "behind the drafts",
  verify: "without drafts",
};

const paint = (code: number, text: string) => text === "" ? "" : `\x1b[${code}m${text}\x1b[0m`;

/** How text is shown: in colours, or plain where that is no terminal that wants them (no-color.org). */
export class Colours {
  readonly #allowed: boolean;
  /** Whether tokens show who wrote them. */
  tokens: boolean;

  constructor(allowed: boolean) {
    this.#allowed = allowed;
    this.tokens = allowed;
  }

  answer(text: string, tokens: readonly AnswerToken[]): string {
    if (!this.#allowed || !this.tokens || tokens.length === 0) return text;
    return tokens.map(({ origin, text }) => paint(COLOURS[origin], text)).join("");
  }

  /** What is said beside the conversation. */
  dim(text: string): string {
    return this.#allowed ? paint(2, text) : text;
  }

  /** What the colours mean; "" without any. */
  get legend(): string {
    if (!this.#allowed || !this.tokens) return "";
    return Object.entries(LEGEND)
      .map(([origin, what]) => paint(COLOURS[origin as AnswerToken["origin"]], what)).join(", ");
  }
}
