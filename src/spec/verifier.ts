import type { Run } from "./strategy.ts";
import type { CommittedToken, TokenNode } from "./token-log.ts";
import type { Operation, Start } from "./trace.ts";
import { TracedLane } from "./traced-lane.ts";

/** The verify lane's side of a run: it writes the log, and knows when the run has ended. */
export class Verifier {
  readonly run: Run;
  readonly lane: TracedLane;
  /** The text's length at which the run ends. The verify lane never needs to be fed the text's last token. */
  readonly maxLength: number;
  /** How the lane begins, for the trace. */
  readonly start: Start["lanes"][number];
  /** Of the verification in flight. */
  #drafted: readonly TokenNode[] = [];

  /** Throws a RangeError if the prompt is longer than the lane's capacity. */
  constructor(run: Run) {
    const { log, verify, maxNewTokens } = run;
    if (log.length > verify.capacity) {
      throw new RangeError(
        `Cannot decode after a prompt of ${log.length} tokens: the ${verify.name} lane has room for ` +
          `${verify.capacity}; shorten the prompt or enlarge the context`,
      );
    }
    this.run = run;
    this.lane = new TracedLane(verify, run.trace);
    this.maxLength = Math.min(log.promptLength + maxNewTokens, verify.capacity);
    this.start = { name: verify.name, cached: run.cached?.verify ?? 0 };
  }

  /** Whether nothing more is to be committed. */
  get ended(): boolean {
    const { log, eosIds, signal } = this.run;
    return log.length >= this.maxLength || signal?.aborted === true ||
      (log.length > log.promptLength && eosIds.includes(log.end.token));
  }

  /** Feeds what the cache lacks of the prompt, but for its last token: that is row 0 of the first verification. */
  prefill(): void {
    const { cached } = this.start;
    const tokens = this.run.log.committed.slice(cached, -1);
    if (tokens.length > 0) this.lane.prefill(tokens, cached);
  }

  /**
   * Sends a verification of tokens drafted after the log's end, fewer than are missing to `maxLength`; `commit` takes
   * its answer, before another one is sent.
   */
  verify(drafted: readonly TokenNode[]): Promise<Operation> {
    const { token, position } = this.run.log.end;
    this.#drafted = drafted;
    return this.lane.verify([token, ...drafted.map(({ token }) => token)], position);
  }

  /**
   * Commits the answer to a verification that began at the log's end, but nothing after an end-of-text token; `beside` is the draft lane, if it was
   * let work meanwhile.
   */
  commit(answer: Operation, beside?: TracedLane): CommittedToken[] {
    const { log, eosIds, estimates, launchRule, trace } = this.run;
    const { startMs, endMs } = answer;
    const eosAt = answer.chosen.findIndex((token) => eosIds.includes(token));
    const chosen = eosAt < 0 ? answer.chosen : answer.chosen.slice(0, eosAt + 1);
    const batch = log.commit(answer.tokens.slice(1), chosen);
    answer.accepted = batch.filter(({ origin }) => origin === "accepted").length;
    answer.stale = false;
    estimates.costs.observeVerify(answer.tokens.length, endMs - startMs, beside?.wasBusy(startMs, endMs) ?? false);
    if (answer.operation === "verify" && this.lane.turnaroundMs !== undefined) {
      estimates.costs.observeTurnaround("verify", this.lane.turnaroundMs);
    }
    this.#judge(answer);
    launchRule.observe(answer);
    trace.settle(answer);
    trace.commit(batch);
    return batch;
  }

  /** Tells the predictor what became of the drafted tokens that it gave a chance. */
  #judge({ accepted, chosen }: Operation): void {
    const { predictor } = this.run.estimates;
    for (const [i, { draft }] of this.#drafted.slice(0, accepted! + 1).entries()) {
      predictor.observe(draft!.confidence, i + 1, i < accepted!);
      if (i === accepted) predictor.observeSecond(draft!.second === chosen[i]);
    }
    this.#drafted = [];
  }
}
