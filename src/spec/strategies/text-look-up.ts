import { MAX_ROWS } from "../lanes/lane.ts";
import { IndexedText, matchConfidence } from "../lanes/look-up.ts";
import { chancesOf } from "./chances.ts";
import type { Run } from "./strategy.ts";
import type { TokenNode } from "../token-log.ts";

/** Tokens that a match has at least. */
const LEAST_MATCH = 2;

/**
 * Drafts beside the draft model, and without a device: what followed where the text's end occurred before. Such drafts
 * come first where they are likelier to be right than the model's, by a predictor of their own.
 */
export class TextLookUp {
  readonly #run: Run;
  /** The committed text as far as it was read, and what was judged and drafted behind it the last time. */
  readonly #text = new IndexedText();
  /** How many committed tokens of it were read. */
  #read = 0;
  /** What was looked for last: the text as far as it is known to be judged. */
  #from: TokenNode | undefined;

  constructor(run: Run) {
    this.#run = run;
  }

  /**
   * Puts such drafts on the log, up to 15 of them: behind the committed text or, while a verification of the first
   * `verifying` pending tokens is in flight, behind those.
   */
  propose(verifying: number | undefined): void {
    const { log, drafting, scheduler: { estimates } } = this.#run;
    if (!drafting.lookUp) return;
    const pending = log.pending();
    const judged = pending.slice(0, verifying ?? 0);
    const from = judged.at(-1) ?? log.end;
    if (from === this.#from) return;
    this.#from = from;
    const text = this.#text;
    text.cut(this.#read);
    while (text.length < log.length) text.push(log.committed[text.length]!);
    this.#read = log.length;
    for (const { token } of judged) text.push(token);
    const { next, length } = text.match();
    if (length < LEAST_MATCH) return;
    const [rival] = chancesOf(this.#run, pending.slice(judged.length, judged.length + 1));
    const chance = estimates.lookUp.chance(matchConfidence(length), judged.length + 1);
    if (chance <= (rival ?? estimates.predictor.mean)) return;
    let node = from;
    for (let i = 0; i < MAX_ROWS - 1; i++) {
      const token = text.at(next + i);
      text.push(token);
      node = log.draft(node, token, { confidence: matchConfidence(length + i), runnerUp: token, lookedUp: true });
      log.favour(node);
    }
  }
}
