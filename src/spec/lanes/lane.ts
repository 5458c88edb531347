import type { RowLogprobs, Sampling } from "../../util/sampling.ts";

/** The most rows that one verification takes: the last committed token and 15 drafted ones. */
export const MAX_ROWS = 16;

/** Stands for a token where a lane can't choose: one of its scores is infinite or a NaN. */
export const NO_TOKEN = 2 ** 32 - 1;

/** The tokens that one operation of a lane chose, and when the device worked on it. */
export interface LaneResult {
  /** The chosen tokens, or NO_TOKEN: `verify` gives one a row, `decode` one a step, `prefill` none. */
  readonly tokens: readonly number[];
  /** For each of them the model's confidence, 0 to 1: the softmax of the scores, of which the token has the largest. */
  readonly confidences: readonly number[];
  /** For each of them the token with the second largest score. */
  readonly runnersUp: readonly number[];
  /** For each of them its log-probabilities, where the sampling asks for them. */
  readonly logprobs?: readonly RowLogprobs[];
  /** When the device began and ended, in ms on the run's clock: time in the queue is not in it. */
  readonly startMs: number;
  readonly endMs: number;
}

/**
 * One model on one device, behind a first-in first-out queue. A message returns at once; its promise settles when the
 * device is done with it, in the order of the messages. All that strategies know of models and devices is this
 * interface.
 *
 * The lane keeps the keys and values of the tokens that it was fed, by position. Feeding at a position below its length
 * cuts it to there first: that is the whole of a rollback. A message that feeds nothing, above its length, or past
 * `capacity` rejects with a RangeError.
 */
export interface Lane {
  readonly name: string;
  /** Positions the KV cache has room for. */
  readonly capacity: number;
  /** How many `decode` messages a strategy keeps in the queue, so that the device doesn't wait for the host: 1 or 2. */
  readonly stepsAhead: number;
  /** How many tokens a branch can hold; 0 where the lane can't branch. */
  readonly branchCapacity: number;
  /** How the messages sent from now on choose: by argmax as long as this isn't called, or with `null`. */
  sample(sampling: Sampling | null): void;
  /**
   * Feeds any number of tokens at `position` and what follows, and chooses nothing. Where it does so in passes,
   * `onFed` hears after each one how many of the tokens are fed.
   */
  prefill(tokens: readonly number[], position: number, onFed?: (count: number) => void): Promise<LaneResult>;
  /** Feeds 1 to MAX_ROWS tokens in one pass; answers, for each, the token chosen after it. */
  verify(tokens: readonly number[], position: number): Promise<LaneResult>;
  /**
   * Verifies behind the message before, itself a verification, without a look at its answer: feeds the token that it
   * chose after the last of its accepted rows (see `countAccepted`), in the place behind that row, then `drafted`,
   * fewer than MAX_ROWS; answers as `verify`. `position` is that token's if all rows are accepted; where the token
   * really stands only the device knows yet. Rejects with a RangeError behind another message.
   */
  verifyNext(drafted: readonly number[], position: number): Promise<LaneResult>;
  /**
   * Feeds `token` at `position`, or with `null` the token that the previous message chose last (it never leaves the
   * device), then the token so chosen, and so on for `steps` steps; answers the `steps` chosen tokens.
   *
   * With `fork` it does so in the branch slots, beside the text that the lane holds (the main sequence) and without a
   * change to it: the branch is the main sequence below `fork`, then the tokens fed to the branch slots from `fork` to
   * `position`. At `position` = `fork` a new branch takes the place of the last one.
   */
  decode(token: number | null, position: number, steps: number, fork?: number): Promise<LaneResult>;
  /**
   * Moves the first `count` tokens of the branch that parted at `fork` into the main sequence, which then ends behind
   * them; chooses nothing. Rejects with a RangeError where there is no such branch, or the main sequence was cut below
   * `fork` since.
   */
  keep(fork: number, count: number): Promise<LaneResult>;
  /**
   * Copies what the lane holds of the first `count` tokens of the main sequence to a place beside it; null where there
   * is no memory for that. Rejects with a RangeError where it holds fewer.
   */
  save(count: number): Promise<SavedText | null>;
  /** Settles when the queue is empty; never rejects. */
  drain(): Promise<void>;
  /** Drains, then frees what the lane holds. Later messages reject. */
  close(): Promise<void>;
}

/** What a lane held of the beginning of a text, kept beside its cache until it is freed. */
export interface SavedText {
  /** Tokens of it. */
  readonly length: number;
  /** Makes its first `count` tokens the lane's main sequence. */
  restore(count: number): Promise<LaneResult>;
  free(): void;
}

/** Settles once the newest promise has, and no newer one came meanwhile; these never reject. */
export async function untilLast(newest: () => Promise<unknown>): Promise<void> {
  let last;
  do {
    last = newest();
    await last;
  } while (last !== newest());
}

/**
 * How many of the drafted tokens that a verification was fed (`tokens` but the first) are accepted: those before the
 * first one that is not the token chosen in its place.
 */
export function countAccepted(tokens: readonly number[], chosen: readonly number[]): number {
  let accepted = 0;
  while (accepted + 1 < tokens.length && tokens[accepted + 1] === chosen[accepted]) accepted++;
  return accepted;
}

/** The lane's device is gone: pending and later messages reject with this. */
export class LaneLostError extends Error {
  /** The class's name, by which an error is known that comes from another copy of this package. */
  override readonly name = "LaneLostError";
  /** The lane's name: "verify", "middle" or "draft". */
  readonly lane: string;

  /** `reason` follows "The LANE device was lost: " in the message. */
  constructor(lane: string, reason: string) {
    super(`The ${lane} device was lost: ${reason}`);
    this.lane = lane;
  }
}

/** A lane answered NO_TOKEN. */
export class NoNumbersError extends Error {
  /** `state` says what can't be done, and ends before ": the LANE model's logits are no numbers". */
  constructor(state: string, lane: string) {
    super(
      `${state}: the ${lane} model's logits are no numbers; its file may be damaged: fetch it again, or its values ` +
        "overflow an f16 KV cache: try --kv-cache f32",
    );
  }
}
