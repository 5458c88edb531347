import type { Estimates } from "./estimates.ts";
import type { JudgedDraft } from "./predictor.ts";
import type { LaunchRule } from "./launch-rule.ts";
import type { Operation, Start } from "../trace/trace-events.ts";
import type { Trace } from "../trace/trace.ts";

/** The other lane counts as busy during an operation if it was at work for more than this share of the time. */
const BUSY = 0.5;

/** The circumstances of an operation, beside its own record. */
export interface Circumstances {
  /**
   * For what share of the operation's time the other lane's device was busy; `undefined` where it did something else
   * than drafting and verifying: then the operation's time tells nothing of what those take.
   */
  readonly otherBusy: number | undefined;
  /**
   * The time that its message took beyond the device's, in ms; `undefined` where the lane doesn't wait for the host.
   */
  readonly turnaroundMs: number | undefined;
  /** The drafts of which its answer tells whether they were right. */
  readonly judged?: readonly JudgedDraft[];
}

/**
 * The one place that hears of a run's operations when it is known what came of them: it passes them on to the
 * estimates, to the launch rule and to the trace.
 */
export class Scheduler {
  /** Taught by the runs before on these lanes, and by this one. */
  readonly estimates: Estimates;
  readonly rule: LaunchRule;
  readonly trace: Trace;

  constructor(estimates: Estimates, rule: LaunchRule, trace: Trace) {
    this.estimates = estimates;
    this.rule = rule;
    this.trace = trace;
  }

  /** The run begins: `lanes` are the verify lane and, if the strategy drafts, the draft lane. */
  start(promptTokens: number, lanes: Start["lanes"]): void {
    const { costs, predictor, lookUp } = this.estimates;
    const drafts = lanes.length > 1;
    if (drafts) { for (const one of [predictor, lookUp]) one.newText(); }
    this.rule.begin();
    this.trace.start(promptTokens, lanes, drafts ? costs.figures : undefined);
  }

  /** Learns from an operation of either lane; the verify lane's have `accepted` set. */
  observe(operation: Operation, { otherBusy, turnaroundMs, judged = [] }: Circumstances): void {
    const { costs, predictor, lookUp } = this.estimates;
    const { tokens, chosen, accepted, startMs, endMs } = operation;
    const isVerified = accepted !== undefined;
    if (otherBusy !== undefined) {
      if (isVerified) costs.observeVerify(tokens.length, endMs - startMs, otherBusy);
      // A draft lane's passes of other kinds catch up on a text: they are no draft steps.
      else if (operation.operation === "decode") {
        costs.observeDraft((endMs - startMs) / chosen.length, otherBusy > BUSY);
      }
    }
    if (turnaroundMs !== undefined) costs.observeTurnaround(isVerified ? "verify" : "draft", turnaroundMs);
    for (const { confidence, place, isRight, runnerUpIsRight, lookedUp } of judged) {
      (lookedUp ? lookUp : predictor).observe(confidence, place, isRight);
      if (!isRight && !lookedUp) predictor.observeRunnerUp(runnerUpIsRight);
    }
    this.rule.observe(operation);
    this.trace.settle(operation);
  }
}
