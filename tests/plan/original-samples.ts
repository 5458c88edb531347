// Figures from the two sample files of the original program's repository (one prompt each), taken from their JSON by
// hand: times in ms, and which drafted tokens of their texts were right. Prefills are left out: sd's clock starts
// behind its prefill, and amusd's first verification is the prefill.

import type { SimulatedHardware } from "../../src/plan/simulate.ts";
import type { Acceptance } from "../../src/plan/simulated-pair.ts";
import { ALL_ROWS } from "../../src/spec/schedule/costs.ts";

export interface OriginalSample {
  readonly name: string;
  readonly tokens: number;
  /** A verification of one row: greedy's median token. */
  readonly oneMs: number;
  /** A verification of six rows: sd's median one, of five drafted tokens. */
  readonly sixMs: number;
  /** sd's mean draft step. */
  readonly sdDraftMs: number;
  /**
   * A step of amusd's draft lane, which is never held back: its time over its steps. 0.7 to 0.8 ms of it lie between
   * steps, where it looks at its queue and blocks on a rollback's acknowledgement.
   */
  readonly amusdDraftMs: number;
  /** Time a token of the whole run. */
  readonly sdMs: number;
  readonly amusdMs: number;
  /** Tokens that each verification committed, a digit each. */
  readonly sdCommitted: string;
  readonly amusdCommitted: string;
}

export const ORIGINAL_SAMPLES: readonly OriginalSample[] = [
  {
    name: "HumanEval sample",
    tokens: 389,
    oneMs: 22.11,
    sixMs: 25.52,
    sdDraftMs: 11.69,
    amusdDraftMs: 13.01,
    sdMs: 17.96,
    amusdMs: 14.92,
    sdCommitted: "46666666661666611666266166664633666666652666566666666666666626661642666666",
    amusdCommitted:
      "3113333333333333333331333333331133333311133321333333333133212133333333333333311113333333113333333333" +
      "333333333333333333331133333213331111333333333333",
  },
  {
    name: "RefactorChat sample",
    tokens: 922,
    oneMs: 21.82,
    sixMs: 31.17,
    sdDraftMs: 11.74,
    amusdDraftMs: 12.59,
    sdMs: 18.73,
    amusdMs: 13.95,
    sdCommitted:
      "6366662646666666666666666666666666666666666666666666666666666666666666661616662616662466666656666636" +
      "6616166666666666666666666666666666666635261661622362666666261662363163166",
    amusdCommitted:
      "3613333333311333133333333333333333333333333333333333333333333333333333333333333333333333333333333333" +
      "3333333333333333333333333333333333333333333133133333311321333333213113333333333333133333333332133333" +
      "2133133333333333333333333333333333333333333333333333333333333333333333331311113213333113311112133113" +
      "333333333331132133332121332133311333",
  },
];

/**
 * The original program's lanes: its draft catches up token by token, and its verifications lie on the line through
 * those of one and of six rows. All arguments are in ms.
 */
export function originalHardware(draftMs: number, oneMs: number, sixMs: number): SimulatedHardware {
  const lane = (passMs: (rows: number) => number) => ({
    passMs: [0, ...ALL_ROWS].map(passMs),
    prefillMs: 0,
    latencyMs: 0.1,
  });
  return { draft: lane((rows) => rows * draftMs), verify: lane((rows) => oneMs + (sixMs - oneMs) * (rows - 1) / 5) };
}

/** What sd commits where all five drafted tokens were right. */
const FULL = "6";

/**
 * Whether the draft is right behind each prefix of the text, as both runs tell: what was accepted is, and what sd
 * rejected is not. Of a token that stands in a bonus's place in both runs nothing is known but how often the others are
 * right. Throws a RangeError where the two runs contradict each other.
 */
export function acceptanceOf({ name, tokens, sdCommitted, amusdCommitted }: OriginalSample): Acceptance {
  const right: (boolean | undefined)[] = Array(tokens).fill(undefined);
  const mark = (position: number, isRight: boolean) => {
    if (position >= tokens) return;
    if (right[position] === !isRight) {
      throw new RangeError(`${name}: the runs differ in whether token ${position} was right`);
    }
    right[position] = isRight;
  };
  for (const committed of [sdCommitted, amusdCommitted]) {
    let position = 0;
    for (const digit of committed) {
      for (let i = 0; i < Number(digit) - 1; i++) mark(position + i, true);
      position += Number(digit);
      if (committed === sdCommitted && digit !== FULL) mark(position - 1, false);
    }
  }
  const known = right.filter((isRight) => isRight !== undefined);
  const share = known.filter((isRight) => isRight).length / known.length;
  // The draft has the same confidence everywhere: the files do not tell what it knew.
  return {
    draws: right.map((isRight) => ({ confidence: share, chance: isRight === undefined ? share : Number(isRight) })),
    runnerUp: 0.5,
    inOrder: true,
  };
}
