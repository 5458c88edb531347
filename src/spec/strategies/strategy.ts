import type { Lane } from "../lanes/lane.ts";
import type { Scheduler } from "../schedule/scheduler.ts";
import type { CommittedToken, TokenLog } from "../token-log.ts";

/** All that one run needs. */
export interface Run {
  /** Holds the prompt when the run begins. */
  readonly log: TokenLog;
  readonly lanes: RunLanes;
  readonly limits: RunLimits;
  readonly drafting: Drafting;
  /** Has the launch rule and the trace, and adds this run to what the runs before on these lanes have taught. */
  readonly scheduler: Scheduler;
  /** Hears, as the verify lane is fed the prompt, how many of its tokens are: at first those that its cache held. */
  readonly onPrefill?: (fed: number, promptTokens: number) => void;
  /** Takes one line for the user: a run goes on without its draft lane. */
  readonly warn: (message: string) => void;
}

/** The lanes of a run, of which nobody else makes use meanwhile. */
export interface RunLanes {
  readonly verify: Lane;
  /** `greedy` does without. */
  readonly draft?: Lane;
  /** How many of the prompt's first tokens each lane's cache holds already (see `cachedLength`); 0 if not given. */
  readonly cached?: { readonly verify: number; readonly draft: number };
}

/** When a run ends. */
export interface RunLimits {
  readonly maxTokens: number;
  /** The end-of-text tokens. */
  readonly eosIds: readonly number[];
  readonly signal?: { readonly aborted: boolean };
}

/** How a run drafts. */
export interface Drafting {
  /** How many tokens `sd` drafts at a time, 1 to MAX_ROWS - 1. */
  readonly lookahead: number;
  /** Whether `amusd`'s draft lane hedges, if it can branch. */
  readonly hedge: boolean;
  /** Whether `amusd` takes what followed in the text before, too, where that is likelier; default: no. */
  readonly lookUp?: boolean;
}

/**
 * Decodes from the log's end, and yields what is committed, as it is committed. The tokens are the same for all
 * strategies.
 *
 * A run ends after an end-of-text token, after maxTokens, when the text fills the verify lane's capacity, when
 * `signal` is aborted, or when the consumer returns; each time both lanes are drained first. A lane's error is thrown
 * once all that was committed has been yielded; but a lost draft device costs one warning, and the run goes on as
 * `greedy`.
 */
export type Strategy = (run: Run) => AsyncGenerator<CommittedToken[], void, undefined>;
