import { MAX_ROWS } from "../lanes/lane.ts";
import type { Operation } from "../trace/trace-events.ts";

/**
 * Decides when the verify lane starts and with how many drafts, and when the draft lane is held back. A strategy asks
 * after every answer of either lane. The three questions have no effects: a rule may be asked as often as one likes,
 * and goes by what the reports told it and by its clock.
 */
export interface LaunchRule {
  /**
   * Asked while the verify lane is idle: how many of the pending drafted tokens it takes now, as far as MAX_ROWS
   * allows. With 0 it feeds the last committed token alone, with `null` it waits for more drafts; but where the draft
   * lane has nothing to do it takes all, whatever the answer. `chances` are the tokens' chances to be accepted, each
   * given those before it. The next draft comes after `stale` more steps of the draft lane that are of no use.
   */
  launchNow(chances: readonly number[], stale: number): number | null;
  /**
   * Asked while a verification is in flight: how many pending drafted tokens to verify in a second one queued behind it
   * (0: the token that the first one adds, alone; `null`: none is queued for now). Of `chances`, the first `verifying`
   * are being judged, the next one guesses the token that the verification adds, and only those after it, from index
   * `verifying + 1` on, can be taken and are counted; there may be none of all these. `hedge` has the chance that the
   * verification ends with the hedge's first token, then those of the hedge's other tokens; it is empty without a
   * hedge.
   */
  queueNext(
    chances: readonly number[],
    verifying: number,
    stale: number,
    hedge: readonly number[],
  ): number | null;
  /**
   * Whether the draft lane waits rather than draft a token that the text will come to with this chance, the `ahead`th
   * beyond the committed text.
   */
  holdDraft(chance: number, ahead: number): boolean;

  /** A run begins: nothing is in flight. */
  begin(): void;
  /** The verification that `launchNow` asked for is sent: of `count` drafts, or fewer if the run is about to end. */
  launched(count: number): void;
  /** The verification that `queueNext` asked for is queued: of `count` drafts, or fewer if the run is about to end. */
  queued(count: number): void;
  /** A draft step that `holdDraft` let pass is sent. */
  drafting(): void;
  /** An operation has ended, and it is known what came of its tokens. */
  observe(operation: Operation): void;
}

/** The draft lane gets no further ahead: two full verifications are more than can run while it drafts a token. */
const FAR_AHEAD = 2 * (MAX_ROWS - 1);

/** Verifies all that is pending as soon as at least that many tokens are. */
function launchFrom(least: number): LaunchRule {
  return {
    launchNow: ({ length }) => length >= least ? length : null,
    queueNext: () => null,
    holdDraft: (_, ahead) => ahead > FAR_AHEAD,
    begin: () => {},
    launched: () => {},
    queued: () => {},
    drafting: () => {},
    observe: () => {},
  };
}

/** Verifies whatever is pending as soon as the lane is idle. */
export const launchAtOnce: LaunchRule = launchFrom(1);

/** The rule as published (arXiv 2410.17375), and as its program has it: launches as soon as two tokens are pending. */
export const launchAsPublished: LaunchRule = launchFrom(2);

/** Verifies `count` tokens at a time, 1 to MAX_ROWS - 1: as soon as they are there, and no more of them. */
export function launchFixed(count: number): LaunchRule {
  return { ...launchAtOnce, launchNow: ({ length }) => length >= count ? count : null };
}

/** `adaptive` learns from run to run, so there is one for all of them; `fixed:N` takes N tokens at a time. */
export type LaunchName = "adaptive" | "published" | `fixed:${number}`;

/** Whether that is a launch rule's name, `fixed:1` to `fixed:15` among them. */
export function isLaunchName(name: string): name is LaunchName {
  if (name === "adaptive" || name === "published") return true;
  const count = /^fixed:([1-9]\d?)$/.exec(name)?.[1];
  return count !== undefined && Number(count) < MAX_ROWS;
}

/** The rule of that name. */
export function launchRuleOf(name: LaunchName, adaptive: LaunchRule): LaunchRule {
  if (name === "adaptive") return adaptive;
  return name === "published" ? launchAsPublished : launchFixed(Number(name.slice("fixed:".length)));
}
