import type { GenerationOptions, StrategyName } from "../../mod.ts";
import { MAX_ROWS } from "../spec/lanes/lane.ts";
import { isLaunchName, type LaunchName } from "../spec/schedule/launch-rule.ts";
import { UsageError } from "./errors.ts";
import { count } from "./flags.ts";
import { draftsByModel } from "../engine/load.ts";
import type { ModelFlags } from "./models.ts";
import { type SamplingFlags, samplingFlags, samplingFrom } from "./sampling.ts";

/** How the strategies go about it, whatever the models. */
export interface DecodingFlags extends SamplingFlags {
  readonly lookahead: number;
  readonly launch: LaunchName;
  readonly hedge: "on" | "off";
}

function parseLaunch(input: string): LaunchName {
  if (isLaunchName(input)) return input;
  throw new RangeError(
    `"${input}" is no launch rule: adaptive, published and fixed:1 to fixed:${MAX_ROWS - 1} are there`,
  );
}

export const decodingFlags = {
  lookahead: {
    kind: "parsed",
    parse: count(1, MAX_ROWS - 1),
    brief: `Tokens that sd drafts at a time, 1 to ${MAX_ROWS - 1}`,
    placeholder: "N",
    default: "5",
  },
  launch: {
    kind: "parsed",
    parse: parseLaunch,
    brief:
      "When amusd verifies, and how much: adaptive (by what was measured), published (as AMUSD), fixed:N (N tokens)",
    placeholder: "RULE",
    default: "adaptive",
  },
  hedge: {
    kind: "enum",
    values: ["on", "off"],
    brief: "Whether amusd's draft goes on from second choices too",
    default: "on",
  },
  ...samplingFlags,
} as const;

export function decodingOptions(flags: DecodingFlags): GenerationOptions {
  const { lookahead, launch, hedge } = flags;
  return { lookahead, launch, hedge: hedge === "on", ...samplingFrom(flags) };
}

/** Whether the flags give something to draft with; the embedded verify model has a draft model of its own. */
export function hasDrafter(flags: ModelFlags): boolean {
  if (!draftsByModel(flags.drafter)) return flags.drafter === "ngram";
  return flags["verify-model-path"] === undefined || flags["draft-model-path"] !== undefined;
}

/** Throws a UsageError where a strategy drafts and there is nothing to draft with. */
export function assertDrafter(strategies: readonly StrategyName[], flags: ModelFlags): void {
  const strategy = strategies.find((name) => name !== "greedy");
  if (strategy === undefined || hasDrafter(flags)) return;
  throw new UsageError(
    flags.drafter === "none"
      ? `Cannot decode by "${strategy}" with --drafter none: give another drafter, or greedy`
      : `Cannot decode by "${strategy}" without a draft model: give --draft-model-path, or --drafter ngram`,
  );
}
