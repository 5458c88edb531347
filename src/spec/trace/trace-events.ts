import type { RowLogprobs } from "../../util/sampling.ts";
import type { CommittedToken } from "../token-log.ts";

/** The times of a draft step and of a verification, in ms, as far as they are known. */
export interface LaneCosts {
  /** One draft step; null before the first one. */
  readonly draftMs: number | null;
  /** A verification, by its rows. */
  readonly verifyMs: Readonly<Record<number, number>>;
}

/** What operations take depends on whether the other lane is at work: often both share cores, a card or its memory. */
export interface CostFigures {
  /** While the other lane was idle. */
  readonly otherIdle: LaneCosts;
  /** While the other lane was busy. */
  readonly otherBusy: LaneCosts;
}

/** A run begins. */
export interface Start {
  /** Tells this event from the others. */
  readonly kind: "start";
  /** When the run began, in ms on the clock of all its events. */
  readonly ms: number;
  /** Tokens of the prompt. */
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
  /** Tells this event from the others. */
  readonly kind: "operation";
  /** The lane's name: "verify" or "draft". */
  readonly lane: string;
  /** The kind of the message; see Lane. */
  readonly operation: "prefill" | "verify" | "decode" | "keep";
  /** How many rollbacks there had been when the message was sent. */
  readonly epoch: number;
  /** The first fed token's position. */
  readonly position: number;
  /** Where the branch parts that the message fed; none where it fed the main sequence. */
  readonly fork?: number;
  /** The tokens that the message fed. */
  readonly tokens: readonly number[];
  /** The tokens that the model chose. */
  readonly chosen: readonly number[];
  /** For each chosen token its share in the softmax of the scores, 0 to 1. */
  readonly confidences?: readonly number[];
  /** For each chosen token the token with the second largest score. */
  readonly runnersUp?: readonly number[];
  /** How many of the fed drafts were looked up in the text; none of them where this isn't given. */
  lookedUp?: number;
  /** For each chosen token its log-probabilities, where they were asked for. */
  readonly logprobs?: readonly RowLogprobs[];
  /** When the device began, in ms; time in the queue is not counted in. */
  readonly startMs: number;
  /** When the device ended, in ms. */
  readonly endMs: number;
  /** How many of the fed drafted tokens were accepted: set once an answer of the verify lane is committed. */
  accepted?: number;
  /** Whether no chosen token was of use: drafted on a rejected branch, or chosen after the run's end. */
  stale: boolean;
}

/** Tokens were committed. */
export interface Commit {
  /** Tells this event from the others. */
  readonly kind: "commit";
  /** When the host committed them, in ms. */
  readonly ms: number;
  /** The tokens, in the order of their positions. */
  readonly tokens: readonly CommittedToken[];
}

/** The draft lane was sent back below the end of its text. */
export interface Rollback {
  /** Tells this event from the others. */
  readonly kind: "rollback";
  /** When the host sent the draft lane back, in ms. */
  readonly ms: number;
  /** The position of the first token to be fed anew. */
  readonly position: number;
}

/** An event of a run; all figures of a run follow from the list of them. */
export type TraceEvent = Start | Operation | Commit | Rollback;
