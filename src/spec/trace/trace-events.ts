import type { CommittedToken } from "../token-log.ts";

export interface LaneCosts {
  readonly draftMs: number | null;
  readonly verifyMs: Readonly<Record<number, number>>;
}

/** By whether the other lane was at work: td, and tv(n) by n, in ms. */
export interface CostFigures {
  readonly otherIdle: LaneCosts;
  readonly otherBusy: LaneCosts;
}

/** A run begins. */
export interface Start {
  readonly kind: "start";
  readonly ms: number;
  readonly promptTokens: number;
  /**
   * The verify lane, then the draft lane if the strategy has one; `cached` positions of the prompt were in its cache
   * already.
   */
  readonly lanes: readonly { readonly name: string; readonly cached: number }[];
  /** What was known of the lanes' times, by the calibration and the runs before; none where nothing drafts. */
  readonly costs?: CostFigures;
}

/** A lane's device has done with a message. */
export interface Operation {
  readonly kind: "operation";
  readonly lane: string;
  readonly operation: "prefill" | "verify" | "decode" | "keep";
  /** How many rollbacks there had been when the message was sent. */
  readonly epoch: number;
  /** Of the first token fed. */
  readonly position: number;
  /** Where the branch parts that it fed; none where it fed the trunk. */
  readonly fork?: number;
  readonly tokens: readonly number[];
  readonly chosen: readonly number[];
  /** For each chosen token how sure the model was of it, and which would have been its second choice; see LaneResult. */
  readonly confidences?: readonly number[];
  readonly runnersUp?: readonly number[];
  readonly startMs: number;
  readonly endMs: number;
  /** Of the verify lane, once its answer was committed: how many of the fed drafted tokens were. */
  accepted?: number;
  /** Whether nothing of what it chose was of use: drafted on a rejected branch, or chosen after the run's end. */
  stale: boolean;
}

/** Tokens were committed. */
export interface Commit {
  readonly kind: "commit";
  readonly ms: number;
  readonly tokens: readonly CommittedToken[];
}

/** The draft lane was sent back below what it had been fed. */
export interface Rollback {
  readonly kind: "rollback";
  readonly ms: number;
  /** Of the first token to be fed anew. */
  readonly position: number;
}

/** An event of a run; all figures of a run follow from the list of them. */
export type TraceEvent = Start | Operation | Commit | Rollback;
