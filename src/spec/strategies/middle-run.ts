import type { Clock } from "../clock.ts";
import type { Estimates } from "../schedule/estimates.ts";
import type { LaunchRule } from "../schedule/launch-rule.ts";
import { type Circumstances, Scheduler } from "../schedule/scheduler.ts";
import { type Draft, TokenLog } from "../token-log.ts";
import type { Operation, Start } from "../trace/trace-events.ts";
import { Trace } from "../trace/trace.ts";
import type { RunLanes, Strategy } from "./strategy.ts";

/** A token that the middle model chose, and when: its part of the time that its batch took, in ms. */
export interface Choice extends Draft {
  readonly token: number;
  readonly startMs: number;
  readonly endMs: number;
}

export interface MiddleRunOptions {
  /** The middle lane verifies. */
  readonly lanes: RunLanes & Required<Pick<RunLanes, "draft" | "cached">>;
  readonly estimates: Estimates;
  readonly rule: LaunchRule;
  readonly clock: Clock;
  readonly warn: (message: string) => void;
}

/** A run of a chain's middle lane: it goes on after a text for as long as what it writes is asked for. */
export class MiddleRun {
  readonly #log: TokenLog;
  readonly #trace: Trace;
  readonly #clock: Clock;
  readonly #lanes: MiddleRunOptions["lanes"];
  readonly #signal = { aborted: false };
  readonly #batches: ReturnType<Strategy>;
  /** How sure the middle model was of the tokens, by their positions. */
  readonly #drafts: Draft[] = [];
  /** When it wrote them, by their positions. */
  readonly #times: Pick<Choice, "startMs" | "endMs">[] = [];
  /** How many of a text's first tokens are known to be its own. */
  #agreed: number;

  constructor(strategy: Strategy, text: readonly number[], { lanes, estimates, rule, clock, warn }: MiddleRunOptions) {
    this.#log = new TokenLog(text);
    this.#trace = new Trace(clock, false);
    this.#clock = clock;
    this.#lanes = lanes;
    this.#agreed = text.length;
    const hear = ({ position, chosen, confidences, runnersUp }: Operation) =>
      chosen.forEach((_, i) => {
        this.#drafts[position + 1 + i] = { confidence: confidences![i]!, runnerUp: runnersUp![i]! };
      });
    this.#batches = strategy({
      log: this.#log,
      lanes,
      limits: { maxTokens: Infinity, eosIds: [], signal: this.#signal },
      drafting: { lookahead: 1, hedge: true },
      scheduler: new MiddleScheduler(estimates, rule, this.#trace, hear),
      warn,
    });
  }

  /**
   * Whether it can go on after the text. That may have grown since the last time, no more: what cuts a text aborts the
   * run, or was sent before the run began, and then nothing is asked behind the cut.
   */
  agrees(text: readonly number[]): boolean {
    const { committed } = this.#log;
    if (this.#signal.aborted || text.length > committed.length) return false;
    while (this.#agreed < text.length && text[this.#agreed] === committed[this.#agreed]) this.#agreed++;
    return this.#agreed === text.length;
  }

  /** The choice after the text's first `length` tokens; undefined where the run was aborted. */
  async after(length: number): Promise<Choice | undefined> {
    while (this.#log.length <= length) {
      const [askedMs, from] = [this.#clock.now(), this.#log.length];
      if ((await this.#batches.next()).done) return undefined;
      // All of a batch come at once. Its tokens share the time, so that a step's cost is what it is on average.
      const count = this.#log.length - from;
      const ms = (this.#clock.now() - askedMs) / count;
      for (let i = 0; i < count; i++) {
        this.#times[from + i] = { startMs: askedMs + i * ms, endMs: askedMs + (i + 1) * ms };
      }
    }
    return { token: this.#log.committed[length]!, ...this.#drafts[length]!, ...this.#times[length]! };
  }

  /** Lets it end: nothing more is sent. */
  abort(): void {
    this.#signal.aborted = true;
  }

  /** Ends it. Settles once its lanes are idle, with how many of the text's first tokens each one's cache holds. */
  async end(text: readonly number[]): Promise<{ middle: number; draft: number }> {
    this.abort();
    await this.#batches.return();
    const { verify, draft } = this.#lanes;
    const { committed, promptLength } = this.#log;
    // What the caches held before it was its prompt's, of which the text may have lost a part since.
    const parting = text.findIndex((token, i) => i < promptLength && token !== committed[i]);
    const most = parting < 0 ? Infinity : parting;
    const held = (name: string) => Math.min(most, this.#trace.cachedLength(name, text));
    return { middle: held(verify.name), draft: held(draft.name) };
  }
}

/** The text goes on from run to run, and with it what was learnt of it. */
class MiddleScheduler extends Scheduler {
  readonly #onChosen: (operation: Operation) => void;

  /** `onChosen` hears of what the middle lane chose before it is committed. */
  constructor(estimates: Estimates, rule: LaunchRule, trace: Trace, onChosen: (operation: Operation) => void) {
    super(estimates, rule, trace);
    this.#onChosen = onChosen;
  }

  override start(promptTokens: number, lanes: Start["lanes"]): void {
    this.rule.begin();
    this.trace.start(promptTokens, lanes);
  }

  override observe(operation: Operation, circumstances: Circumstances): void {
    super.observe(operation, circumstances);
    if (operation.accepted !== undefined) this.#onChosen(operation);
  }
}
