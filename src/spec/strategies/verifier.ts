import { countAccepted, MAX_ROWS, NO_TOKEN, NoNumbersError } from "../lanes/lane.ts";
import type { Run } from "./strategy.ts";
import type { CommittedToken, TokenNode } from "../token-log.ts";
import type { Operation, Start } from "../trace/trace-events.ts";
import type { JudgedDraft } from "../schedule/predictor.ts";
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
  /**
   * Whether the last verification of drafts chose no token where the text ends now. Its drafts may be to blame, so the
   * next one takes none: only what the verify model alone comes to is an error.
   */
  #alone = false;

  /** Throws a RangeError if the prompt is longer than the lane's capacity. */
  constructor(run: Run) {
    const { log, lanes: { verify, cached }, limits: { maxTokens }, scheduler } = run;
    if (log.length > verify.capacity) {
      throw new RangeError(
        `Cannot decode after a prompt of ${log.length} tokens: the ${verify.name} lane has room for ` +
          `${verify.capacity}; shorten the prompt or enlarge the context`,
      );
    }
    this.run = run;
    this.lane = new TracedLane(verify, scheduler.trace);
    this.maxLength = Math.min(log.promptLength + maxTokens, verify.capacity);
    this.start = { name: verify.name, cached: cached?.verify ?? 0 };
  }

  /** Whether nothing more is to be committed. */
  get ended(): boolean {
    const { log, limits: { eosIds, signal } } = this.run;
    return log.length >= this.maxLength || signal?.aborted === true ||
      (log.length > log.promptLength && eosIds.includes(log.end.token));
  }

  /** Feeds what the cache lacks of the prompt, but for its last token: that is row 0 of the first verification. */
  prefill(): void {
    const { log, onPrefill } = this.run;
    const cached = Math.min(this.start.cached, log.promptLength - 1);
    const tokens = log.committed.slice(cached, -1);
    const tell = (count: number) => onPrefill?.(cached + count, log.promptLength);
    tell(0);
    if (tokens.length > 0) this.lane.prefill(tokens, cached, tell);
  }

  /** The answer of the oldest verification in flight, for `commit`. */
  get next(): Promise<Operation> | undefined {
    return this.#inFlight[0]?.answer;
  }

  /** How many of the log's pending tokens the oldest verification in flight judges. */
  get verifying(): number | undefined {
    const [oldest] = this.#inFlight;
    if (!oldest) return undefined;
    const [first] = oldest.drafted;
    // If the verification before ended otherwise than expected, the drafts are no longer the text's next tokens.
    return first && first === this.run.log.pending()[0] ? oldest.drafted.length : 0;
  }

  /**
   * How many drafted tokens the next verification can take at most: on an idle lane, or queued behind the one in
   * flight, so that the device doesn't wait for the host in between. Below 0 none can be sent.
   */
  get room(): number {
    const [first, second] = this.#inFlight;
    if (second || (first && (this.lane.stepsAhead === 1 || this.#alone))) return -1;
    const ahead = first ? first.drafted.length + 1 : 0;
    return Math.min(this.#alone ? 0 : MAX_ROWS - 1, this.maxLength - 1 - this.run.log.length - ahead);
  }

  /**
   * Sends a verification of tokens drafted after the log's end or, while one is in flight, after all that this one may
   * commit; there is `room` for them.
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
   * Commits the answer to the oldest verification in flight, or to a decode step that began at the log's end, but
   * nothing after an end-of-text token. `beside` is the draft lane, if it was let work meanwhile. Throws a
   * NoNumbersError where the verify model can't choose the next token.
   */
  commit(answer: Operation, beside?: TracedLane): CommittedToken[] {
    const { log, limits: { eosIds }, scheduler } = this.run;
    const { operation, startMs, endMs } = answer;
    const drafted = this.#inFlight.shift()?.drafted ?? [];
    const lookedUp = drafted.filter(({ draft }) => draft?.lookedUp).length;
    const pending = log.pending();
    const chosen = this.#usable(answer);
    const eosAt = chosen.findIndex((token) => eosIds.includes(token));
    const committed = chosen.length > 0
      ? log.commit(answer.tokens.slice(1), eosAt < 0 ? chosen : chosen.slice(0, eosAt + 1))
      : [];
    const batch = withLogprobs(committed, answer.logprobs);
    answer.accepted = batch.filter(({ origin }) => origin === "accepted").length;
    answer.stale = false;
    if (lookedUp > 0) answer.lookedUp = lookedUp;
    scheduler.observe(answer, {
      otherBusy: beside ? beside.busyShare(startMs, endMs) : 0,
      // Decode steps are chained on the device: they don't wait for the host.
      turnaroundMs: operation === "verify" ? this.lane.turnaroundMs : undefined,
      judged: judgedDrafts(pending, batch),
    });
    if (batch.length > 0) scheduler.trace.commit(batch);
    return batch;
  }

  /** The chosen tokens that may be committed. */
  #usable({ tokens, chosen }: Operation): readonly number[] {
    // It was queued behind one that chose no token.
    if (tokens[0] === NO_TOKEN) return [];
    const accepted = countAccepted(tokens, chosen);
    this.#alone = chosen[accepted] === NO_TOKEN;
    if (!this.#alone) return chosen;
    if (tokens.length > 1) return chosen.slice(0, accepted);
    throw new NoNumbersError(`Cannot go on at token ${this.run.log.length}`, this.run.lanes.verify.name);
  }
}

/** The drafts in the places of committed tokens, verified or not, up to the first wrong one. */
function judgedDrafts(pending: readonly TokenNode[], batch: readonly CommittedToken[]): JudgedDraft[] {
  const judged: JudgedDraft[] = [];
  for (const [i, { token, draft }] of pending.slice(0, batch.length).entries()) {
    const isRight = token === batch[i]!.token;
    // All pending tokens were drafted.
    const { confidence, runnerUp, lookedUp } = draft!;
    judged.push({
      confidence,
      place: i + 1,
      isRight,
      runnerUpIsRight: runnerUp === batch[i]!.token,
      ...lookedUp && { lookedUp },
    });
    if (!isRight) break;
  }
  return judged;
}

/** Tokens with their log-probabilities, without that of the next row's token: that tells what was drafted. */
function withLogprobs(committed: CommittedToken[], logprobs: Operation["logprobs"]): CommittedToken[] {
  if (!logprobs) return committed;
  return committed.map((token, i) => {
    const { logprob, top } = logprobs[i]!;
    return { ...token, logprobs: { logprob, top } };
  });
}
