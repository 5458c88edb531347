import type { Estimates } from "../schedule/estimates.ts";
import type { Lane } from "../lanes/lane.ts";
import type { LaunchRule } from "../schedule/launch-rule.ts";
import type { CommittedToken, TokenLog } from "../token-log.ts";
import type { Trace } from "../trace/trace.ts";

/** All that one run needs. */
export interface Run {
  /** Holds the prompt when the run begins. */
  readonly log: TokenLog;
  readonly verify: Lane;
  /** `greedy` does without. */
  readonly draft?: Lane;
  /** How many of the prompt's first tokens each lane's cache holds already (see `cachedLength`); 0 if not given. */
  readonly cached?: { readonly verify: number; readonly draft: number };
  readonly maxNewTokens: number;
  /** The end-of-text tokens. */
  readonly eosIds: readonly number[];
  /** How many tokens `sd` drafts at a time, 1 to MAX_ROWS - 1. */
  readonly lookahead: number;
  /** What the runs before on these lanes have taught; this one adds to it. */
  readonly estimates: Estimates;
  /** Of `amusd`. */
  readonly launchRule: LaunchRule;
  /** Of `amusd`: whether an idle draft lane hedges, if it can branch. */
  readonly hedge: boolean;
  readonly signal?: { readonly aborted: boolean };
  readonly trace: Trace;
  /** Hears, while the verify lane is fed the prompt, how many of its tokens are. */
  readonly onPrefill?: (fed: number, promptTokens: number) => void;
  /** Takes one line for the user: a run goes on without its draft lane. */
  readonly warn: (message: string) => void;
}

/**
 * Decodes from the log's end, and yields what is committed, as it is committed. The tokens are the same for all
 * strategies.
 *
 * A run ends after an end-of-text token, after maxNewTokens, when the text fills the verify lane's capacity, when
 * `signal` is aborted, or when the consumer returns; each time both lanes are drained first. A lane's error is thrown
 * once all that was committed has been yielded; but a lost draft device costs one warning, and the run goes on as
 * `greedy`.
 */
export type Strategy = (run: Run) => AsyncGenerator<CommittedToken[], void, undefined>;
