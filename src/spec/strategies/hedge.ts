import { chancesOf, product } from "./chances.ts";
import type { Branch, DraftQueue } from "./draft-queue.ts";
import type { Run } from "./strategy.ts";
import type { Draft, TokenNode } from "../token-log.ts";

/**
 * How many times as likely a hedge's next token has to be as the main sequence's. The latter's draft is of use longer:
 * in simulation (a .6 to .9, c .1 to .5) 2 gains 3.4 % on average over no hedge and never loses, 1 gains 2.8 % and
 * loses up to 1 %.
 */
const MARGIN = 2;

interface HedgeBranch extends Branch {
  /** The position of its first token. */
  readonly fork: number;
}

/** A runner-up that a hedge may begin with. */
interface Candidate {
  readonly parent: TokenNode;
  readonly token: number;
  /** The main sequence's draft in the same place. */
  readonly draft: Draft;
  readonly fork: number;
  /** The chance that the verification in flight ends with the runner-up. */
  readonly chance: number;
}

/**
 * Drafts a branch beside the main sequence while a verification is in flight, in case that ends with a correction: from
 * the runner-up at one of the places in question, where the text is likelier to come to that than to the main
 * sequence's next token. There is one such branch at most, in the lane's branch slots.
 */
export class Hedge {
  readonly #run: Run;
  readonly #queue: DraftQueue;
  /** The last position worth a draft. */
  readonly #lastPosition: number;
  #branch: HedgeBranch | undefined;

  constructor(run: Run, queue: DraftQueue, lastPosition: number) {
    this.#run = run;
    this.#queue = queue;
    this.#lastPosition = lastPosition;
  }

  /**
   * The chance that the verification in flight ends with the branch's first token, then the chance of each of its other
   * tokens, given those before it; empty without a branch.
   */
  get chances(): number[] {
    return this.#branch ? this.#chancesOf(this.#branch) : [];
  }

  /** Whether that branch is the hedge's. */
  has(branch: Branch): boolean {
    return branch === this.#branch;
  }

  /** Gives the branch up. */
  drop(): void {
    this.#branch = undefined;
  }

  /**
   * Sends a step on the branch that there is, or on a new one beside `path`, the main sequence's pending tokens, if the
   * text is likelier to come to the branch's next token than to the main sequence's, the chance of which is
   * `mainChance`. A verification of the first `verifying` pending tokens is in flight. Returns whether a step was sent.
   */
  step(verifying: number, path: readonly TokenNode[], mainChance: number): boolean {
    const branch = this.#branch;
    if (branch) {
      const isFull = branch.head - branch.fork >= this.#queue.lane.branchCapacity || !this.#queue.takes(branch);
      if (isFull || !this.#pays(this.#reach(branch), branch.head, mainChance)) return false;
      this.#extend(branch);
      return true;
    }
    // The draft in the bonus's place is judged too.
    const candidate = this.#candidate(path.slice(0, verifying + 1));
    if (!candidate || !this.#pays(candidate.chance, candidate.fork, mainChance)) return false;
    const { parent, token, draft, fork } = candidate;
    this.#branch = { tip: this.#run.log.draft(parent, token, draft), head: fork, isBeside: true, fork };
    this.#extend(this.#branch);
    return true;
  }

  /**
   * Looks where the text went. Where the branch's first token was committed, moves the branch into the main sequence
   * and returns it; where the text went another way, gives it up.
   */
  adopt(): Branch | undefined {
    const { log, scheduler: { trace } } = this.#run;
    const branch = this.#branch;
    if (!branch) return undefined;
    const { fork, tip, head } = branch;
    const isLive = log.isLive(tip);
    if (isLive && fork >= log.length) return undefined;
    this.#branch = undefined;
    if (!isLive || log.length !== fork + 1) return undefined;
    trace.rollback(fork);
    const [first, count] = [log.end, head - fork];
    const tokens = () => [first, ...log.path(branch.tip)].slice(0, count).map(({ token }) => token);
    this.#queue.keep(fork, count, tokens);
    branch.isBeside = false;
    return branch;
  }

  /** Whether the draft behind position `head`, which the text comes to with that chance, is worth a step. */
  #pays(chance: number, head: number, mainChance: number): boolean {
    const { log, scheduler: { rule } } = this.#run;
    return chance > MARGIN * mainChance && head < this.#lastPosition && !rule.holdDraft(chance, head + 1 - log.length);
  }

  #extend(branch: HedgeBranch): void {
    this.#run.scheduler.rule.drafting();
    this.#queue.extend(branch, 1, branch.fork);
  }

  /** The likeliest runner-up among those of the drafts that the verification in flight judges. */
  #candidate(judged: readonly TokenNode[]): Candidate | undefined {
    const { log, drafting } = this.#run;
    if (!drafting.hedge || this.#queue.lane.branchCapacity === 0 || judged.length === 0) return undefined;
    const chances = judged.map(({ draft }, at) => draft!.lookedUp ? 0 : this.#runnerUpChance(judged.slice(0, at + 1)));
    const at = chances.indexOf(Math.max(...chances));
    const { position, draft } = judged[at]!;
    return {
      parent: judged[at - 1] ?? log.end,
      token: draft!.runnerUp,
      draft: draft!,
      fork: position,
      chance: chances[at]!,
    };
  }

  /** The chance that all tokens of a pending path but the last are right, and in the last one's place the runner-up. */
  #runnerUpChance(path: readonly TokenNode[]): number {
    const chances = chancesOf(this.#run, path);
    const wrong = 1 - chances.pop()!;
    return product(chances, wrong * this.#run.scheduler.estimates.predictor.runnerUpChance);
  }

  #chancesOf({ tip, fork }: HedgeBranch): number[] {
    const { log } = this.#run;
    const path = log.path(tip);
    const toFork = path.slice(0, fork - log.length + 1);
    // The tokens behind the first will be the first ones of a verification of their own.
    const behind = chancesOf(this.#run, path.slice(toFork.length), fork + 1);
    return [this.#runnerUpChance(toFork), ...behind];
  }

  /** The chance that the verification in flight ends with the first token and the text then comes to the next one. */
  #reach(branch: HedgeBranch): number {
    const { mean } = this.#run.scheduler.estimates.predictor;
    return product(this.#chancesOf(branch)) * mean ** (branch.head - branch.tip.position);
  }
}
