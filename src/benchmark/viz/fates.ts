import type { TraceEvent } from "../../spec/trace/trace-events.ts";
import type { Fate } from "./palette.ts";

/** A rectangle of a lane's timeline: an operation, or the part of it that one fate befell. */
export interface Bar {
  readonly lane: "verify" | "draft";
  readonly startMs: number;
  readonly endMs: number;
  /** The lane's height from `bottom` to `top`, 0 to 1: a verification's accepted and rejected drafts share it. */
  readonly bottom: number;
  readonly top: number;
  readonly fate: Fate;
}

/**
 * The bars of a lane timeline, one or more for each of a run's operations. A verification is cut across into the share
 * that was accepted, below, and the share that was rejected; one without drafts is "alone". A drafting operation is cut
 * along into its tokens. A token is "accepted" if it stands in the text and was drafted after nothing but the text (on
 * a branch too), "stale" if it came when its branch was dead already, or lies behind the text's end, else "rejected".
 */
export function barsOf(events: readonly TraceEvent[]): Bar[] {
  const [, draft] = events.find((event) => event.kind === "start")?.lanes ?? [];
  const text = new Map(
    events.flatMap((event) => event.kind === "commit" ? event.tokens : []).map(({ position, token }) =>
      [position, token] as const
    ),
  );
  const end = Math.max(...text.keys()) + 1;
  /** The first position at which the draft lane's main sequence, or its branch, is not the text. */
  const wrong = { main: Infinity, branch: Infinity };
  const feed = (where: keyof typeof wrong, position: number, token: number) => {
    if (text.has(position) ? text.get(position) !== token : position >= end) {
      wrong[where] = Math.min(wrong[where], position);
    }
  };

  const bars: Bar[] = [];
  for (const event of events) {
    if (event.kind !== "operation") continue;
    const { operation, position, fork, tokens, chosen, accepted, startMs, endMs } = event;
    const lane = event.lane === draft?.name ? "draft" : "verify";
    const add = (fate: Fate, cut: Partial<Bar> = {}) =>
      bars.push({ lane, startMs, endMs, bottom: 0, top: 1, fate, ...cut });

    const where = fork === undefined ? "main" : "branch";
    if (lane === "draft" && position === fork) wrong.branch = wrong.main < fork ? wrong.main : Infinity;
    if (lane === "draft" && position <= wrong[where]) wrong[where] = Infinity;
    if (operation === "prefill") {
      add("prefill");
    } else if (operation === "keep") {
      // Keeping a branch copies drafts, which takes too short to be seen.
      for (const [i, token] of tokens.entries()) feed("main", position + i, token);
    } else if (lane === "verify") {
      const drafted = tokens.length - 1;
      if (accepted === undefined) add("stale");
      else if (drafted === 0) add("alone");
      else {
        const share = accepted / drafted;
        if (share > 0) add("accepted", { top: share });
        if (share < 1) add("rejected", { bottom: share });
      }
    } else {
      // A pass of several rows feeds the text anew: only the token that it chose last is a draft.
      const drafts = operation === "verify" ? chosen.slice(-1) : chosen;
      const first = position + tokens.length - drafts.length + 1;
      const stepMs = (endMs - startMs) / drafts.length;
      tokens.slice(0, tokens.length - drafts.length + 1).forEach((token, i) => feed(where, position + i, token));
      for (const [i, token] of drafts.entries()) {
        feed(where, first + i, token);
        const fate = event.stale || first + i >= end ? "stale" : wrong[where] <= first + i ? "rejected" : "accepted";
        add(fate, { startMs: startMs + i * stepMs, endMs: startMs + (i + 1) * stepMs });
      }
    }
  }
  return bars;
}
