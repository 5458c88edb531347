import type { Run } from "./strategy.ts";
import type { TokenNode } from "../token-log.ts";
import type { Operation } from "../trace/trace-events.ts";
import type { TracedLane } from "../lanes/traced-lane.ts";

/** A text that the draft lane works on. */
export interface Branch {
  /**
   * The newest token that the host has seen. The lane has been sent all tokens above it, and this one as well if a step
   * is in flight.
   */
  tip: TokenNode;
  /** The newest token's position, those in flight included; the lane has been sent all that stands below. */
  head: number;
  /** Whether it stands in the branch slots, beside the main sequence. */
  isBeside: boolean;
}

/** The draft lane's steps in flight: their tokens come on the log, and the scheduler hears of them. */
export class DraftQueue {
  readonly lane: TracedLane;
  readonly #run: Run;
  readonly #verifyLane: TracedLane;
  /**
   * The branch of which the lane chose last of all: a step that goes on from a token still on the device must be its.
   */
  #newest: Branch | undefined;
  /** The messages in flight, the oldest first. `added` settles once their tokens are on the log. */
  readonly #inFlight: { readonly branch: Branch; readonly added: Promise<void> }[] = [];

  constructor(run: Run, lane: TracedLane, verifyLane: TracedLane) {
    this.lane = lane;
    this.#run = run;
    this.#verifyLane = verifyLane;
  }

  /** The oldest message in flight: settles once its tokens are on the log; rejects for any error but a lost device. */
  get next(): Promise<void> | undefined {
    return this.#inFlight[0]?.added;
  }

  /** The branches of the messages in flight, the oldest first. */
  get branches(): Branch[] {
    return this.#inFlight.map(({ branch }) => branch);
  }

  /**
   * Whether there is room for one more step of a branch. Behind a token that is still on the device there is none
   * unless the lane chose that token last of all.
   */
  takes(branch: Branch): boolean {
    const steps = branch.head - branch.tip.position;
    return steps === 0 || (steps < this.lane.stepsAhead && branch === this.#newest);
  }

  /**
   * Drafts `steps` more tokens on a branch, in the branch slots if `fork`, the position of its first token, is given.
   */
  extend(branch: Branch, steps: number, fork?: number): Promise<void> {
    const { tip, head } = branch;
    // With a step in flight the token is still on the device.
    const token = head > tip.position ? null : tip.token;
    branch.head += steps;
    return this.add(branch, this.lane.decode(token, head, steps, fork));
  }

  /** Takes a message whose choices go on a branch. Settles as `next` does. */
  add(branch: Branch, message: Promise<Operation>): Promise<void> {
    this.#newest = branch;
    const added = message
      .then((operation) => this.#hear(branch, operation), (error: unknown) => {
        if (!this.lane.lost) throw error;
      })
      .finally(() => {
        this.#inFlight.shift();
      });
    added.catch(() => {}); // `drain` throws it if nobody awaits this.
    this.#inFlight.push({ branch, added });
    return added;
  }

  /** Moves the first `count` tokens of the branch that parted at `fork` into the main sequence. */
  keep(fork: number, count: number, tokens: () => readonly number[]): void {
    this.lane.keep(fork, count, tokens);
    this.#newest = undefined;
  }

  #hear(branch: Branch, operation: Operation): void {
    const { log, scheduler } = this.#run;
    const { operation: kind, chosen, confidences, runnersUp, startMs, endMs } = operation;
    // Where the lane catches up, only its last choice is a draft.
    for (let i = kind === "verify" ? chosen.length - 1 : 0; i < chosen.length; i++) {
      const draft = { confidence: confidences![i]!, runnerUp: runnersUp![i]! };
      branch.tip = log.draft(branch.tip, chosen[i]!, draft);
    }
    operation.stale = !log.isLive(branch.tip);
    // With a step ahead in its queue the device doesn't wait for the host.
    const waits = kind === "decode" && this.lane.stepsAhead === 1;
    scheduler.observe(operation, {
      otherBusy: this.#verifyLane.busyShare(startMs, endMs),
      turnaroundMs: waits ? this.lane.turnaroundMs : undefined,
    });
  }
}
