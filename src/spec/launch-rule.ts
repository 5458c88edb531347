import { MAX_ROWS } from "./lane.ts";

/**
 * When the verify lane starts and with how much, and when the draft lane pauses. Asked after every answer of either
 * lane.
 */
export interface LaunchRule {
  /**
   * How many of the `pending` drafted tokens the idle verify lane takes now, as far as MAX_ROWS allows; with 0 it waits
   * for more. It is not left to wait while the draft lane has nothing to do: then it takes them all.
   */
  take(pending: number): number;
  /** Whether the draft lane waits, `ahead` tokens (drafted or being drafted) beyond the committed text. */
  pauses(ahead: number): boolean;
}

/**
 * The rule as published (arXiv 2410.17375), but for its wait for a second token: whatever is pending is verified as
 * soon as the lane is idle. The draft pauses once two full verifications are ahead: no more than that could be taken
 * while the next token is drafted.
 */
export const launchAtOnce: LaunchRule = {
  take: (pending) => pending,
  pauses: (ahead) => ahead >= 2 * (MAX_ROWS - 1),
};
