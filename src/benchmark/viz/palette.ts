import type { StrategyName } from "../../engine/generation-run.ts";
import type { Origin } from "../../spec/token-log.ts";

/**
 * The colours of all pictures and of the page, legible on light and dark. Most are those of Okabe and Ito, "Color
 * Universal Design", 2008, which people who see few colours can tell apart.
 */
export const STRATEGY_COLORS: Readonly<Record<StrategyName, string>> = {
  greedy: "#858c94",
  sd: "#e69f00",
  amusd: "#1f7fc1",
};

/** What became of an operation, or of a part of it: each has a colour in the lane timeline. */
export type Fate = "accepted" | "rejected" | "stale" | "alone" | "prefill";

export const FATE_COLORS: Readonly<Record<Fate, string>> = {
  accepted: "#009e73",
  rejected: "#d55e00",
  stale: "#cc79a7",
  alone: "#858c94",
  prefill: "#b9c3cd",
};

/** A token's origin has the colour that the same fate has in the timeline. */
export const ORIGIN_COLORS: Readonly<Record<Origin, string>> = {
  accepted: FATE_COLORS.accepted,
  correction: FATE_COLORS.rejected,
  bonus: "#56b4e9",
  verify: FATE_COLORS.alone,
};
