import type { CommittedToken } from "../token-log.ts";

export interface LaneCosts {
  readonly draftMs: number | null;
  readonly verifyMs: Readonly<Record<number, number>>;
}

/** The times of a draft step and of a verification by its rows, in ms, beside an idle other lane and a busy one. */
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
  /** The lanes' times as the calibration and the runs before told them; none where nothing drafts. */
  readonly costs?: CostFigures;
}

/** A lane's device has done with a message. */
export interface Operation {
  readonly kind: "operation";
  readonly lane: string;
  readonly operation: "prefill" | "verify" | "decode" | "keep";
  /** How many rollbacks there had been when the message was sent. */
  readonly epoch: number;
  /** The first fed token's position. */
  readonly position: number;
  /** Where the branch parts that the message fed; none where it fed the main sequence. */
  readonly fork?: number;
  readonly tokens: readonly number[];
  readonly chosen: readonly number[];
  /** For each chosen token how sure the model was of it, and the model's second choice; see LaneResult. */
  readonly confidences?: readonly number[];
  readonly runnersUp?: readonly number[];
  readonly startMs: number;
  readonly endMs: number;
  /** How many of the fed drafted tokens were accepted: set once an answer of the verify lane is committed. */
  accepted?: number;
  /** Whether no chosen token was of use: drafted on a rejected branch, or chosen after the run's end. */
  stale: boolean;
}

/** Tokens were committed. */
export interface Commit {
  readonly kind: "commit";
  readonly ms: number;
  readonly tokens: readonly CommittedToken[];
}

/** The draft lane was sent back below the end of its text. */
export interface Rollback {
  readonly kind: "rollback";
  readonly ms: number;
  /** The position of the first token to be fed anew. */
  readonly position: number;
}

/** An event of a run; all figures of a run follow from the list of them. */
export type TraceEvent = Start | Operation | Commit | Rollback;
