/** Two lanes that compute on the two cores of a machine on which other programs come and go. */

import { type Setting, simulate } from "../../../src/plan/simulate.ts";
import { laneOptionsOf, PROMPT } from "../../../src/plan/simulate.ts";
import { betaAcceptance, simulatedPair } from "../../../src/plan/simulated-pair.ts";
import { MAX_ROWS } from "../../../src/spec/lanes/lane.ts";
import type { Clock } from "../../../src/spec/clock.ts";
import { SimulatedLane } from "../../../src/spec/lanes/simulated-lane.ts";
import { randomOf } from "../../../src/util/random.ts";

/** How many other programs compute at that time, in ms. */
export type Others = (ms: number) => number;

/** What the machine was seen to do on 2026-11-29: quiet, one busy program, two, one that comes and goes each second. */
export const BUSY_MACHINES: Readonly<Record<string, Others>> = {
  quiet: () => 0,
  "one busy": () => 1,
  "two busy": () => 2,
  "comes and goes": (ms) => ms % 2000 < 1000 ? 1 : 0,
};

export interface SharedCores {
  readonly others: Others;
  /** Acceptances of the texts, one after the other, and again from the first on. */
  readonly acceptances: readonly number[];
  readonly texts: number;
  readonly tokens: number;
  readonly seed: number;
  /** A draft step's time alone; default: the embedded draft's. */
  readonly draftMs?: number;
}

const CORES = 2;
/** How many times as long a verification, and a draft step, takes while the other lane computes: they share a core. */
const TOGETHER = { verify: 1.02, draft: 1.25 };
/** The embedded pair's times alone, in ms (docs/performance.md). */
const VERIFY_MS = (rows: number) => 17.5 * (1 + 0.33 * (rows - 1));
export const DRAFT_MS = 3;
const LATENCY_MS = { verify: 1.05, draft: 0.75 };
/** How often a lane looks what else computes. */
const LOOK_MS = 0.5;
/** The relative spread of a message's time. */
const SPREAD = 0.12;

/** The time that one engine takes for texts one after the other, in ms, by the texts. */
export async function sharedCoresMs(machine: SharedCores, setting: Setting): Promise<number[]> {
  const { others, acceptances, texts, tokens, seed, draftMs = DRAFT_MS } = machine;
  const random = randomOf(seed);
  const noise = () => Math.exp(SPREAD * (random() + random() + random() - 1.5) * 2);
  const computing = { verify: false, draft: false };
  const cores = (clock: Clock, lane: "verify" | "draft"): Clock => ({
    now: () => clock.now(),
    sleep: async (ms) => {
      // The host's time to hear of an answer: the lane itself computes nothing, or is at its next message.
      if (ms === LATENCY_MS[lane]) return await clock.sleep(ms);
      computing[lane] = true;
      for (let left = ms * noise(); left > 1e-9;) {
        const together = computing.verify && computing.draft;
        const programs = Number(computing.verify) + Number(computing.draft) + others(clock.now());
        const pace = Math.min(1, CORES / programs) / (together ? TOGETHER[lane] : 1);
        const nextMs = Math.min(left / pace, LOOK_MS);
        await clock.sleep(nextMs);
        left -= nextMs * pace;
      }
      computing[lane] = false;
    },
  });
  const passMs = Array.from({ length: MAX_ROWS + 1 }, (_, rows) => rows === 0 ? 0 : VERIFY_MS(rows));
  const written = await simulate({
    setting,
    texts,
    tokens,
    lanes: (clock, text) => {
      const acceptance = betaAcceptance(acceptances[text % acceptances.length]!, { seed: text + 1 });
      const pair = simulatedPair(acceptance, seed * texts + text, PROMPT.length);
      const { verify, draft } = laneOptionsOf(
        {
          verify: { passMs, prefillMs: 0, latencyMs: LATENCY_MS.verify, stepsAhead: 2 },
          draft: { passMs: passMs.map(() => draftMs), prefillMs: 0, latencyMs: LATENCY_MS.draft, stepsAhead: 1 },
        },
        pair,
        PROMPT.length + tokens + 1,
      );
      return {
        verify: new SimulatedLane(cores(clock, "verify"), verify),
        draft: new SimulatedLane(cores(clock, "draft"), draft),
      };
    },
  });
  return written.map(({ startMs, endMs }) => endMs - startMs);
}
