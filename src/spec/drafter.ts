import { MAX_ROWS } from "./lane.ts";
import type { Run } from "./strategy.ts";
import type { TokenNode } from "./token-log.ts";
import type { Operation, Start } from "./trace.ts";
import { TracedLane } from "./traced-lane.ts";

/** What the draft lane is working on: a path that began at a committed token. */
interface Branch {
  /**
   * Its newest token that the host has seen. The lane has been sent all above it, and it as well if a step is in
   * flight.
   */
  tip: TokenNode;
  /** The newest token's position, those in flight included; the lane has been sent what stands below. */
  head: number;
}

/**
 * The draft lane's side of a run: it hangs drafts on the log, and goes back to the committed text when they die there.
 */
export class Drafter {
  readonly lane: TracedLane;
  /** How the lane begins, for the trace. */
  readonly start: Start["lanes"][number];
  readonly #run: Run;
  /**
   * The last position worth a draft that the lane can reach: the token at maxLength - 1 is always the verify lane's
   * own.
   */
  readonly #lastPosition: number;
  #branch: Branch;
  /** What the messages in flight become, oldest first: they settle once their tokens are on the log. */
  readonly #inFlight: Promise<void>[] = [];

  /** Throws a TypeError if the run has no draft lane. */
  constructor(run: Run, maxLength: number) {
    const { log, draft, warn } = run;
    if (!draft) throw new TypeError("Cannot draft: the run has no draft lane, wanted one; use greedy");
    this.lane = new TracedLane(draft, run.trace, (error) => warn(`${error.message}; going on without it`));
    this.#run = run;
    this.start = { name: draft.name, cached: run.cached?.draft ?? 0 };
    this.#lastPosition = Math.min(maxLength - 2, draft.capacity);
    this.#branch = { tip: log.end, head: log.end.position };
  }

  /** How many positions after the committed text are still worth a draft: none once the lane is lost or full. */
  get room(): number {
    return this.lane.lost ? 0 : Math.max(0, this.#lastPosition - this.#run.log.length + 1);
  }

  /** How many positions after the committed text are drafted or being drafted. */
  get ahead(): number {
    return this.#continues ? this.#branch.head + 1 - this.#run.log.length : 0;
  }

  /** How many tokens of the branch that the next draft goes on with are in flight. */
  get stepsInFlight(): number {
    return this.#continues ? this.#branch.head - this.#branch.tip.position : 0;
  }

  /** How many messages in flight, of a step each, are of a branch that is dead. */
  get staleInFlight(): number {
    return this.#inFlight.length - this.stepsInFlight;
  }

  /** The oldest message in flight: settles once its tokens are on the log; rejects for any error but a lost device. */
  get next(): Promise<void> | undefined {
    return this.#inFlight[0];
  }

  /** Feeds what the cache lacks of the prompt, but for its last token. */
  prefill(): void {
    const { cached } = this.start;
    const tokens = this.#run.log.committed.slice(cached, -1);
    if (this.room > 0 && tokens.length > 0) this.lane.prefill(tokens, cached);
  }

  /**
   * Drafts `steps` more tokens, 1 to `room` - `ahead`: on the branch, or from the committed end if the branch is dead
   * or behind it. Settles once they are on the log; rejects for any error but a lost device.
   */
  draft(steps: number): Promise<unknown> {
    const added = Promise.all(this.#continues ? [this.#continue(steps)] : this.#restart(steps));
    added.catch(() => {}); // `drain` throws it if nobody awaits this.
    return added;
  }

  /**
   * Whether the next draft can follow the branch's newest: it is not known to be wrong, and the text hasn't come past
   * it.
   */
  get #continues(): boolean {
    const { log } = this.#run;
    return this.#branch.head >= log.length && log.isLive(this.#branch.tip);
  }

  #continue(steps: number): Promise<void> {
    const branch = this.#branch;
    const { tip, head } = branch;
    // With a step in flight the token is still on the device.
    const token = head > tip.position ? null : tip.token;
    branch.head += steps;
    return this.#add(branch, this.lane.decode(token, head, steps));
  }

  /**
   * Feeds the committed text from where the cache parts from it. After a rejection that is the correction alone; after
   * a bonus on a branch that has stood still, the branch's last token, never fed before, and the bonus: one pass of two
   * rows, of which the last drafts.
   */
  #restart(steps: number): Promise<void>[] {
    const { log, trace } = this.#run;
    const { tip, head } = this.#branch;
    const live = log.liveAncestor(tip);
    const tipIsFed = head > tip.position;
    let position = live !== tip || tipIsFed ? live.position + 1 : tip.position;
    if (position < head) trace.rollback(position);
    const branch = { tip: log.end, head: log.end.position + steps };
    this.#branch = branch;

    let tokens = log.committed.slice(position);
    if (tokens.length === 1) return [this.#add(branch, this.lane.decode(tokens[0]!, position, steps))];
    if (tokens.length > MAX_ROWS) {
      this.lane.prefill(tokens.slice(0, -MAX_ROWS), position);
      tokens = tokens.slice(-MAX_ROWS);
      position = log.length - MAX_ROWS;
    }
    const added = [this.#add(branch, this.lane.verify(tokens, position))];
    if (steps > 1) added.push(this.#add(branch, this.lane.decode(null, log.length, steps - 1)));
    return added;
  }

  #add(branch: Branch, message: Promise<Operation>): Promise<void> {
    const added = message.then((operation) => {
      const { log } = this.#run;
      // Where the lane catches up, only its last choice is a draft.
      const drafts = operation.operation === "verify" ? operation.chosen.slice(-1) : operation.chosen;
      for (const token of drafts) branch.tip = log.draft(branch.tip, token);
      operation.stale = !log.isLive(branch.tip);
      this.#run.launchRule.observe(operation);
    }, (error: unknown) => {
      if (!this.lane.lost) throw error;
    }).finally(() => {
      this.#inFlight.shift();
    });
    added.catch(() => {}); // `drain` throws it if nobody awaits this.
    this.#inFlight.push(added);
    return added;
  }
}
