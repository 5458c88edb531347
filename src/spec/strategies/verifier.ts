import { MAX_ROWS } from "../lanes/lane.ts";
import type { Run } from "./strategy.ts";
import type { CommittedToken, TokenNode } from "../token-log.ts";
import type { Operation, Start } from "../trace/trace-events.ts";
import { TracedLane } from "../lanes/traced-lane.ts";

/** The verify lane's side of a run: it writes the log, and knows when the run has ended. */
export class Verifier {
  readonly run: Run;
  readonly lane: TracedLane;
  /** The text's length at which the run ends. The verify lane never needs to be fed the text's last token. */
  readonly maxLength: number;
  /** How the lane begins, for the trace. */
  readonly start: Start["lanes"][number];
  /** The verifications in flight, oldest first: two at most. */
  readonly #inFlight: { readonly answer: Promise<Operation>; readonly drafted: readonly TokenNode[] }[] = [];

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
    const { log, onPrefill } = this.run;
    const { cached } = this.start;
    const tokens = log.committed.slice(cached, -1);
    if (tokens.length > 0) this.lane.prefill(tokens, cached, (count) => onPrefill?.(cached + count, log.promptLength));
  }

  /** The oldest verification in flight: `commit` takes its answer. */
  get next(): Promise<Operation> | undefined {
    return this.#inFlight[0]?.answer;
  }

  /** How many of the log's pending tokens the oldest verification in flight judges. */
  get verifying(): number | undefined {
    const [oldest] = this.#inFlight;
    if (!oldest) return undefined;
    const [first] = oldest.drafted;
    // Where the one before came to something else than it was queued for, they are no longer the text's next ones.
    return first && first === this.run.log.pending()[0] ? oldest.drafted.length : 0;
  }

  /**
   * How many drafted tokens the next verification can take at most, none below 0: of an idle lane, or queued behind the one in flight, so that the
   * device doesn't wait for the host in between.
   */
  get room(): number {
    const [first, second] = this.#inFlight;
    if (second || (first && this.lane.stepsAhead === 1)) return -1;
    const ahead = first ? first.drafted.length + 1 : 0;
    return Math.min(MAX_ROWS - 1, this.maxLength - 1 - this.run.log.length - ahead);
  }

  /**
   * Sends a verification of tokens drafted after the log's end, or, where one is in flight, after what that one would commit at most; there is
   * `room` for them.
   */
  verify(drafted: readonly TokenNode[]): Promise<Operation> {
    const { token, position } = this.run.log.end;
    const tokens = drafted.map(({ token }) => token);
    const [before] = this.#inFlight;
    const answer = before
      ? this.lane.verifyNext(tokens, position + before.drafted.length + 1)
      : this.lane.verify([token, ...tokens], position);
    this.#inFlight.push({ answer, drafted });
    return answer;
  }

  /**
   * Commits the answer to the oldest verification in flight, or to a decode step that began at the log's end, but nothing after an end-of-text
   * token; `beside` is the draft lane, if it was let work meanwhile.
   */
  commit(answer: Operation, beside?: TracedLane): CommittedToken[] {
    const { log, eosIds, estimates, launchRule, trace } = this.run;
    const { startMs, endMs } = answer;
    this.#inFlight.shift();
    const pending = log.pending();
    const eosAt = answer.chosen.findIndex((token) => eosIds.includes(token));
    const chosen = eosAt < 0 ? answer.chosen : answer.chosen.slice(0, eosAt + 1);
    const batch = log.commit(answer.tokens.slice(1), chosen);
    answer.accepted = batch.filter(({ origin }) => origin === "accepted").length;
    answer.stale = false;
    estimates.costs.observeVerify(answer.tokens.length, endMs - startMs, beside?.busyShare(startMs, endMs) ?? 0);
    if (answer.operation === "verify" && this.lane.turnaroundMs !== undefined) {
      estimates.costs.observeTurnaround("verify", this.lane.turnaroundMs);
    }
    this.#judge(pending, batch);
    launchRule.observe(answer);
    trace.settle(answer);
    trace.commit(batch);
    return batch;
  }

  /** Tells the predictor what became of the drafted tokens in the places of those that were committed, verified or not. */
  #judge(pending: readonly TokenNode[], batch: readonly CommittedToken[]): void {
    const { predictor } = this.run.estimates;
    for (const [i, { token, draft }] of pending.slice(0, batch.length).entries()) {
      const isRight = token === batch[i]!.token;
      predictor.observe(draft!.confidence, i + 1, isRight);
      if (isRight) continue;
      predictor.observeSecond(draft!.second === batch[i]!.token);
      return;
    }
  }
}
