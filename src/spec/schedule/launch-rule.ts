import { MAX_ROWS } from "../lanes/lane.ts";
import type { Operation } from "../trace/trace-events.ts";

/**
 * When the verify lane starts and with how much, and when the draft lane pauses. Asked after every answer of either
 * lane.
 */
export interface LaunchRule {
  /**
   * How many of the pending drafted tokens the idle verify lane takes now, as far as MAX_ROWS allows: with 0 it feeds
   * the last committed token alone, with `null` it waits for more. `chances` are theirs to be accepted, each given those
   * before it. The next draft comes after `stale` more steps of the draft lane that are of no use. It is not left to wait
   * while the draft lane has nothing to do: then it takes all.
   */
  take(chances: readonly number[], stale: number): number | null;
  /**
   * How many pending drafted tokens a verification takes that is queued now behind the one in flight. That one judges the first `verifying` of
   * them; the next one is a guess at what it adds, and those behind can be taken. `hedge` has the chance that it ends
   * with another token, and those of what is drafted behind that. With `null` none is queued: it is asked again after the next draft, and as the verify
   * lane falls idle.
   */
  chain(chances: readonly number[], verifying: number, stale: number, hedge: readonly number[]): number | null;
  /**
   * Whether the draft lane waits rather than draft a token that the text will come to with this chance, the `ahead`th
   * beyond the committed text.
   */
  pauses(chance: number, ahead: number): boolean;
  /** Hears of each operation when it is known what came of it. */
  observe(operation: Operation): void;
}

/** No more than this could be taken while the next token is drafted: two full verifications. */
const FAR_AHEAD = 2 * (MAX_ROWS - 1);

/** Verifies whatever is pending as soon as at least so many tokens are. */
function launchFrom(least: number): LaunchRule {
  return {
    take: ({ length }) => length >= least ? length : null,
    chain: () => null,
    pauses: (_, ahead) => ahead > FAR_AHEAD,
    observe: () => {},
  };
}

/** Verifies whatever is pending as soon as the lane is idle. */
export const launchAtOnce: LaunchRule = launchFrom(1);

/** As published (arXiv 2410.17375), and as its program does it: as soon as two tokens are pending. */
export const launchAsPublished: LaunchRule = launchFrom(2);

/** Verifies `count` tokens at a time, 1 to MAX_ROWS - 1: as soon as they are there, and no more of them. */
export function launchFixed(count: number): LaunchRule {
  return { ...launchAtOnce, take: ({ length }) => length >= count ? count : null };
}

/** `adaptive` learns from run to run, so it is one for all of them; `fixed:N` takes N tokens at a time. */
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
