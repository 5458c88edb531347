import { MAX_ROWS } from "../lanes/lane.ts";
import type { Run } from "./strategy.ts";
import type { Draft, TokenNode } from "../token-log.ts";
import type { Operation, Start } from "../trace/trace-events.ts";
import { TracedLane } from "../lanes/traced-lane.ts";
import type { Verifier } from "./verifier.ts";

/** A text that the draft lane is working on: it began at a committed token, or beside the trunk in the strip. */
interface Branch {
  /**
   * Its newest token that the host has seen. The lane has been sent all above it, and it as well if a step is in
   * flight.
   */
  tip: TokenNode;
  /** The newest token's position, those in flight included; the lane has been sent what stands below. */
  head: number;
  /** Position of its first token, as long as it is a hedge in the strip. */
  fork?: number;
}

/**
 * How many times as likely as the trunk's next token a hedge's has to be. The trunk's draft is of use longer: in simulation (a .6 to .9, c .1 to .5) 2 gains
 * 3.4 % on average over no hedge and never loses, 1 gains 2.8 % and loses up to 1 %.
 */
const HEDGE_MARGIN = 2;

/** What a hedge may begin with. */
interface Hedge {
  readonly parent: TokenNode;
  readonly token: number;
  /** Of the first choice in its place. */
  readonly draft: Draft;
  readonly position: number;
  readonly chance: number;
}

/**
 * The draft lane's side of a run: it hangs drafts on the log, and goes back to the committed text when they die there.
 * While a verification is in flight it may hedge: go on from the second choice at one of the positions in question too, in
 * the strip, where the text is likelier to come to that than to the next token of the trunk.
 */
export class Drafter {
  readonly lane: TracedLane;
  /** How the lane begins, for the trace. */
  readonly start: Start["lanes"][number];
  readonly #run: Run;
  readonly #verifyLane: TracedLane;
  /**
   * The last position worth a draft that the lane can reach: the token at maxLength - 1 is always the verify lane's
   * own.
   */
  readonly #lastPosition: number;
  #trunk: Branch;
  /** Of the verification in flight. */
  #hedge: Branch | undefined;
  /** In flight. */
  #prefills = 0;
  /** The one of which the lane chose last of all: a step that goes on from a token still on the device must be its. */
  #newest: Branch | undefined;
  /** The branches of the messages in flight, and what the messages become, oldest first: they settle once their tokens are on the log. */
  readonly #inFlight: { readonly branch: Branch; readonly added: Promise<void> }[] = [];

  /** Throws a TypeError if the run has no draft lane. */
  constructor(run: Run, verifier: Verifier) {
    const { log, draft, warn } = run;
    if (!draft) throw new TypeError("Cannot draft: the run has no draft lane, wanted one; use greedy");
    this.lane = new TracedLane(draft, run.trace, (error) => warn(`${error.message}; going on without it`));
    this.#run = run;
    this.start = { name: draft.name, cached: run.cached?.draft ?? 0 };
    this.#verifyLane = verifier.lane;
    this.#lastPosition = Math.min(verifier.maxLength - 2, draft.capacity);
    this.#trunk = { tip: log.end, head: log.end.position };
    run.estimates.predictor.newText();
  }

  /** How many positions after the committed text are still worth a draft: none once the lane is lost or full. */
  get room(): number {
    return this.lane.lost ? 0 : Math.max(0, this.#lastPosition - this.#run.log.length + 1);
  }

  /** How many messages in flight are of a branch that is dead; Infinity while the lane catches up on a text: that takes too long to wait for. */
  get staleInFlight(): number {
    if (this.#prefills > 0) return Infinity;
    return this.#inFlight.filter(({ branch }) => branch !== this.#hedge && !this.#continues(branch)).length;
  }

  /** The oldest message in flight: settles once its tokens are on the log; rejects for any error but a lost device. */
  get next(): Promise<void> | undefined {
    return this.#inFlight[0]?.added;
  }

  /** The chances of pending tokens to be accepted, each given those before it. */
  chances(pending: readonly TokenNode[]): number[] {
    const { log, estimates: { predictor } } = this.#run;
    return pending.map(({ draft, position }) => predictor.chance(draft!.confidence, position - log.length + 1));
  }

  /** Of the hedge, the chance that the verification in flight ends with its first token, then those of its others; empty without a hedge. */
  get hedgeChances(): number[] {
    return this.#hedge ? this.#chancesOf(this.#hedge) : [];
  }

  /** Feeds what the cache lacks of the prompt, but for its last token. */
  prefill(): void {
    const { cached } = this.start;
    const tokens = this.#run.log.committed.slice(cached, -1);
    if (this.room > 0 && tokens.length > 0) this.#prefill(tokens, cached);
  }

  #prefill(tokens: readonly number[], position: number): void {
    this.#prefills++;
    const done = () => {
      this.#prefills--;
    };
    this.lane.prefill(tokens, position).then(done, done);
  }

  /**
   * Drafts `steps` more tokens, 1 to `room`: on the trunk, or from the committed end if the trunk is dead
   * or behind it. Settles once they are on the log; rejects for any error but a lost device.
   */
  draft(steps: number): Promise<unknown> {
    this.#adopt();
    const added = this.#continues(this.#trunk) ? [this.#extend(this.#trunk, steps)] : this.#restart(steps);
    const all = Promise.all(added);
    all.catch(() => {}); // `drain` throws it if nobody awaits this.
    return all;
  }

  /**
   * Sends the draft step that the text is likeliest to come to, on the trunk or on a hedge, while a verification of the first `verifying` pending
   * tokens is in flight, or none (`undefined`). Returns whether there was one that is worth it.
   */
  step(verifying: number | undefined): boolean {
    const { log, launchRule } = this.#run;
    this.#adopt();
    if (verifying === undefined) this.#hedge = undefined;
    const trunk = this.#trunk;
    const continues = this.#continues(trunk);
    const ahead = continues ? trunk.head + 1 - log.length : 0;
    const trunkChance = continues ? this.#reach(trunk) : 1;
    if (verifying !== undefined && this.#stepHedge(verifying, trunkChance)) return true;
    // Where drafting is slower than verifying, each one that begins anew is stale before it has begun: they would pile up.
    const isFull = continues ? !this.#takes(trunk) : this.#inFlight.length > this.lane.stepsAhead;
    if (ahead >= this.room || isFull || launchRule.pauses(trunkChance, ahead + 1)) return false;
    this.draft(1);
    return true;
  }

  /** As `step`, on the hedge that there is or a new one, if the text is likelier to come to its next token than to the trunk's. */
  #stepHedge(verifying: number, trunkChance: number): boolean {
    const { log, launchRule } = this.#run;
    const old = this.#hedge;
    const fresh = old ? undefined : this.#newHedge(verifying);
    const chance = old ? this.#hedgeChance(old) : fresh?.chance ?? 0;
    const head = old?.head ?? fresh?.position ?? Infinity;
    const steps = old ? head - old.fork! : 0;
    if (chance <= HEDGE_MARGIN * trunkChance || steps >= this.lane.branchCapacity || head >= this.#lastPosition) {
      return false;
    }
    if ((old && !this.#takes(old)) || launchRule.pauses(chance, head + 1 - log.length)) return false;
    let hedge = old;
    if (fresh) {
      const tip = log.draft(fresh.parent, fresh.token, fresh.draft);
      hedge = { tip, head, fork: head };
    }
    this.#hedge = hedge;
    this.#extend(hedge!, 1);
    return true;
  }

  /** Whether the lane's queue takes one more step of a branch: not if that goes on from a token on the device which is not the last one chosen. */
  #takes(branch: Branch): boolean {
    const steps = branch.head - branch.tip.position;
    return steps === 0 || (steps < this.lane.stepsAhead && branch === this.#newest);
  }

  /** The chance that the text comes to the next token of a branch. */
  #reach(branch: Branch): number {
    const { log, estimates: { predictor } } = this.#run;
    const seen = this.chances(log.path(branch.tip)).reduce((product, chance) => product * chance, 1);
    return seen * predictor.mean ** (branch.head - branch.tip.position);
  }

  /** The chance that the verification in flight ends with the hedge's first token and the text then comes to its next one. */
  #hedgeChance(hedge: Branch): number {
    const product = this.#chancesOf(hedge).reduce((product, chance) => product * chance, 1);
    return product * this.#run.estimates.predictor.mean ** (hedge.head - hedge.tip.position);
  }

  /** The chance that the verification in flight ends with the hedge's first token, then of each other one, given those before it. */
  #chancesOf({ tip, fork }: Branch): number[] {
    const { log, estimates: { predictor } } = this.#run;
    const path = log.path(tip);
    const first = fork! - log.length;
    // Those behind the first will be the first of a verification of their own.
    const behind = path.slice(first + 1).map(({ draft }, i) => predictor.chance(draft!.confidence, i + 1));
    return [this.#secondChance(path.slice(0, first + 1)), ...behind];
  }

  /** The chance that all tokens of a pending path but the last are right, and in the last one's place the second choice is. */
  #secondChance(path: readonly TokenNode[]): number {
    const chances = this.chances(path);
    const wrong = 1 - chances.pop()!;
    return chances.reduce((product, chance) => product * chance, wrong * this.#run.estimates.predictor.secondChance);
  }

  /** The second choice, of those that the verification in flight will judge, that is likeliest to be right. */
  #newHedge(verifying: number): Hedge | undefined {
    const { log, hedge } = this.#run;
    if (!hedge || this.lane.branchCapacity === 0 || !this.#continues(this.#trunk)) return undefined;
    // The draft at the bonus's place is judged too.
    const path = log.path(this.#trunk.tip).slice(0, verifying + 1);
    const chances = path.map((_, at) => this.#secondChance(path.slice(0, at + 1)));
    const at = chances.indexOf(Math.max(...chances));
    if (at < 0) return undefined;
    const { position, draft } = path[at]!;
    return { parent: path[at - 1] ?? log.end, token: draft!.second, draft: draft!, position, chance: chances[at]! };
  }

  /** Whether the branch's next draft can follow its newest: it is not known to be wrong, and the text hasn't come past it. */
  #continues(branch: Branch): boolean {
    const { log } = this.#run;
    return branch.fork === undefined && branch.head >= log.length && log.isLive(branch.tip);
  }

  /** Where the hedge's first token was committed, the hedge is the trunk; where the text went another way, there is none. */
  #adopt(): void {
    const { log, trace } = this.#run;
    const hedge = this.#hedge;
    if (!hedge) return;
    const isLive = log.isLive(hedge.tip);
    if (isLive && hedge.fork! >= log.length) return;
    this.#hedge = undefined;
    const count = hedge.head - hedge.fork!;
    if (!isLive || count === 0 || log.length !== hedge.fork! + 1) return;
    trace.rollback(hedge.fork!);
    const first = log.end;
    this.lane.keep(
      hedge.fork!,
      count,
      () => [first, ...log.path(hedge.tip)].slice(0, count).map(({ token }) => token),
    );
    hedge.fork = undefined;
    this.#trunk = hedge;
    this.#newest = undefined;
  }

  #extend(branch: Branch, steps: number): Promise<void> {
    const { tip, head, fork } = branch;
    // With a step in flight the token is still on the device.
    const token = head > tip.position ? null : tip.token;
    branch.head += steps;
    return this.#add(branch, this.lane.decode(token, head, steps, fork));
  }

  /**
   * Feeds the committed text from where the cache parts from it. After a rejection that is the correction alone; after
   * a bonus on a branch that has stood still, the branch's last token, never fed before, and the bonus: one pass of two
   * rows, of which the last drafts.
   */
  #restart(steps: number): Promise<void>[] {
    const { log, trace } = this.#run;
    const { tip, head } = this.#trunk;
    const live = log.liveAncestor(tip);
    const tipIsFed = head > tip.position;
    let position = live !== tip || tipIsFed ? live.position + 1 : tip.position;
    if (position < head) trace.rollback(position);
    const branch = { tip: log.end, head: log.end.position + steps };
    this.#trunk = branch;

    let tokens = log.committed.slice(position);
    if (tokens.length === 1) return [this.#add(branch, this.lane.decode(tokens[0]!, position, steps))];
    if (tokens.length > MAX_ROWS) {
      this.#prefill(tokens.slice(0, -MAX_ROWS), position);
      tokens = tokens.slice(-MAX_ROWS);
      position = log.length - MAX_ROWS;
    }
    const added = [this.#add(branch, this.lane.verify(tokens, position))];
    if (steps > 1) added.push(this.#add(branch, this.lane.decode(null, log.length, steps - 1)));
    return added;
  }

  #add(branch: Branch, message: Promise<Operation>): Promise<void> {
    this.#newest = branch;
    const added = message.then((operation) => {
      const { log, estimates, launchRule, trace } = this.#run;
      const { operation: kind, chosen, confidences, runnersUp, startMs, endMs } = operation;
      // Where the lane catches up, only its last choice is a draft.
      for (let i = kind === "verify" ? chosen.length - 1 : 0; i < chosen.length; i++) {
        const draft = { confidence: confidences![i]!, second: runnersUp![i]! };
        branch.tip = log.draft(branch.tip, chosen[i]!, draft);
      }
      operation.stale = !log.isLive(branch.tip);
      if (kind === "decode") {
        const isBeside = this.#verifyLane.busyShare(startMs, endMs) > 0.5;
        estimates.costs.observeDraft((endMs - startMs) / chosen.length, isBeside);
        // With a step ahead in its queue the device doesn't wait for the host.
        const { stepsAhead, turnaroundMs } = this.lane;
        if (stepsAhead === 1 && turnaroundMs !== undefined) estimates.costs.observeTurnaround("draft", turnaroundMs);
      }
      launchRule.observe(operation);
      trace.settle(operation);
    }, (error: unknown) => {
      if (!this.lane.lost) throw error;
    }).finally(() => {
      this.#inFlight.shift();
    });
    added.catch(() => {}); // `drain` throws it if nobody awaits this.
    this.#inFlight.push({ branch, added });
    return added;
  }
}
