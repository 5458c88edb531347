import { MAX_ROWS } from "../lanes/lane.ts";
import { chancesOf, product } from "./chances.ts";
import { type Branch, DraftQueue } from "./draft-queue.ts";
import { Hedge } from "./hedge.ts";
import type { Run } from "./strategy.ts";
import type { TokenNode } from "../token-log.ts";
import type { Start } from "../trace/trace-events.ts";
import { TracedLane } from "../lanes/traced-lane.ts";
import type { Verifier } from "./verifier.ts";

/**
 * The draft lane's side of a run: it hangs drafts on the log, and goes back to the committed text when they die there.
 * While a verification is in flight it may hedge.
 */
export class Drafter {
  readonly lane: TracedLane;
  /** How the lane begins, for the trace. */
  readonly start: Start["lanes"][number];
  readonly #run: Run;
  readonly #queue: DraftQueue;
  readonly #hedge: Hedge;
  /**
   * The last position worth a draft that the lane can reach: the token at maxLength - 1 is always the verify lane's
   * own.
   */
  readonly #lastPosition: number;
  /** The main sequence: the committed text and the drafts that go on from it. */
  #main: Branch;
  /** How many prefill messages are in flight. */
  #prefills = 0;

  /** Throws a TypeError if the run has no draft lane. */
  constructor(run: Run, verifier: Verifier) {
    const { log, lanes: { draft, cached }, scheduler, warn } = run;
    if (!draft) throw new TypeError("Cannot draft: the run has no draft lane, wanted one; use greedy");
    this.lane = new TracedLane(draft, scheduler.trace, (error) => warn(`${error.message}; going on without it`));
    this.start = { name: draft.name, cached: cached?.draft ?? 0 };
    this.#run = run;
    this.#queue = new DraftQueue(run, this.lane, verifier.lane);
    this.#lastPosition = Math.min(verifier.maxLength - 2, draft.capacity);
    this.#hedge = new Hedge(run, this.#queue, this.#lastPosition);
    this.#main = { tip: log.end, head: Math.min(this.start.cached, log.end.position), isBeside: false };
  }

  /** How many positions after the committed text are still worth a draft: none once the lane is lost or full. */
  get room(): number {
    return this.lane.lost ? 0 : Math.max(0, this.#lastPosition - this.#run.log.length + 1);
  }

  /**
   * How many messages in flight are of a branch that is dead; Infinity while the lane catches up on a text, which takes
   * too long to wait for.
   */
  get staleInFlight(): number {
    if (this.#prefills > 0) return Infinity;
    return this.#queue.branches.filter((branch) => !this.#hedge.has(branch) && !this.#continues(branch)).length;
  }

  /** The oldest message in flight: settles once its tokens are on the log; rejects for any error but a lost device. */
  get next(): Promise<void> | undefined {
    return this.#queue.next;
  }

  /** The hedge's chances; see `Hedge.chances`. */
  get hedgeChances(): number[] {
    return this.#hedge.chances;
  }

  /** Feeds what the cache lacks of the prompt, but for its last token; else the first draft does. */
  prefill(): void {
    const { cached } = this.start;
    const { log } = this.#run;
    const tokens = log.committed.slice(cached, -1);
    if (this.room > 0 && tokens.length > 0) this.#prefill(tokens, cached);
    this.#main.head = log.end.position;
  }

  #prefill(tokens: readonly number[], position: number): void {
    this.#prefills++;
    const done = () => {
      this.#prefills--;
    };
    this.lane.prefill(tokens, position).then(done, done);
  }

  /**
   * Drafts `steps` more tokens, 1 to `room`: on the main sequence, or from the committed end if its drafts are dead or
   * behind that. Settles once they are on the log; rejects for any error but a lost device.
   */
  draft(steps: number): Promise<unknown> {
    this.#adopt();
    const main = this.#main;
    const added = this.#continues(main) ? [this.#queue.extend(main, steps)] : this.#restart(steps);
    const all = Promise.all(added);
    all.catch(() => {}); // `drain` throws it if nobody awaits this.
    return all;
  }

  /**
   * Sends the draft step that the text is likeliest to come to, on the main sequence or on a hedge, while a
   * verification of the first `verifying` pending tokens is in flight, or none (`undefined`). Returns whether there was
   * one that is worth it.
   */
  step(verifying: number | undefined): boolean {
    const { log, drafting, scheduler: { rule } } = this.#run;
    this.#adopt();
    if (verifying === undefined) this.#hedge.drop();
    // What was looked up is likelier than what the model would draft there.
    if (drafting.lookUp && log.pending()[verifying ?? 0]?.draft?.lookedUp) return false;
    const main = this.#main;
    const continues = this.#continues(main);
    const path = continues ? log.path(main.tip) : [];
    const ahead = continues ? main.head + 1 - log.length : 0;
    const chance = continues ? this.#reach(main, path) : 1;
    if (verifying !== undefined && this.#hedge.step(verifying, path, chance)) return true;
    // Where drafting is slower than verifying, a step that begins anew is stale before it has begun: more than one
    // would pile up.
    const isFull = continues ? !this.#queue.takes(main) : this.#queue.branches.length > this.lane.stepsAhead;
    if (ahead >= this.room || isFull || rule.holdDraft(chance, ahead + 1)) return false;
    rule.drafting();
    this.draft(1);
    return true;
  }

  /** The chance that the text comes to the next token of a branch of the main sequence, of which `path` is pending. */
  #reach({ tip, head }: Branch, path: readonly TokenNode[]): number {
    const { mean } = this.#run.scheduler.estimates.predictor;
    return product(chancesOf(this.#run, path)) * mean ** (head - tip.position);
  }

  /** Whether the main sequence can go on from that branch: the text has not come past it, nor gone another way. */
  #continues({ tip, head, isBeside }: Branch): boolean {
    const { log } = this.#run;
    return !isBeside && head >= log.length && log.isLive(tip);
  }

  #adopt(): void {
    this.#main = this.#hedge.adopt() ?? this.#main;
  }

  /**
   * Feeds the committed text from where the cache parts from it. After a rejection that is the correction alone; after
   * a bonus on a branch that has stood still, the branch's last token, never fed before, and the bonus: one pass of two
   * rows, of which the last drafts.
   */
  #restart(steps: number): Promise<void>[] {
    const { log, scheduler: { trace } } = this.#run;
    const { tip, head } = this.#main;
    const live = log.liveAncestor(tip);
    const tipIsFed = head > tip.position;
    let position = Math.min(head, live !== tip || tipIsFed ? live.position + 1 : tip.position);
    if (position < head) trace.rollback(position);
    const main = { tip: log.end, head: log.end.position + steps, isBeside: false };
    this.#main = main;

    let tokens = log.committed.slice(position);
    if (tokens.length === 1) return [this.#queue.add(main, this.lane.decode(tokens[0]!, position, steps))];
    if (tokens.length > MAX_ROWS) {
      this.#prefill(tokens.slice(0, -MAX_ROWS), position);
      tokens = tokens.slice(-MAX_ROWS);
      position = log.length - MAX_ROWS;
    }
    const added = [this.#queue.add(main, this.lane.verify(tokens, position))];
    if (steps > 1) added.push(this.#queue.add(main, this.lane.decode(null, log.length, steps - 1)));
    return added;
  }
}
