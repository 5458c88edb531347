/** Lanes on one device, where the draft lane slows the verify lane down. */

import { HEDGED, laneOptionsOf, PROMPT, type Setting, simulate } from "../../../src/plan/simulate.ts";
import { betaAcceptance, simulatedPair } from "../../../src/plan/simulated-pair.ts";
import type { Clock } from "../../../src/spec/clock.ts";
import { SimulatedLane } from "../../../src/spec/lanes/simulated-lane.ts";
import { hardwareOf, type Point } from "./point.ts";

export interface SharedPoint extends Point {
  /** How many times as long the verify lane takes for its work while the draft lane works. */
  readonly contention: number;
  /** The draft is as sure of any token as a good one would be, whether it is right or not. */
  readonly isBoastful: boolean;
  /**
   * The time from the verify device's end to the host's knowing, in one-row verifications; the draft device's is a
   * fourth of that.
   */
  readonly turnaround: number;
}

/** The acceptance of the draft that a boastful one pretends to be. */
const BOAST = 0.9;
/** How often the verify lane looks whether the draft lane has begun, in one-row verifications. */
const LOOK = 0.05;

/**
 * Simulated speed over greedy's of one engine that writes texts one after the other, on a device that both lanes share.
 */
export async function sharedSpeedup(
  point: SharedPoint,
  { texts, tokens }: { readonly texts: number; readonly tokens: number },
  setting: Setting = HEDGED,
): Promise<number> {
  const { a, c, contention, isBoastful, turnaround } = point;
  const acceptance = isBoastful
    ? { draws: betaAcceptance(BOAST).draws.map(({ confidence }) => ({ confidence, chance: a })), runnerUp: 0.2 }
    : betaAcceptance(a);
  let draftEndMs = 0;
  /** The clock of a lane that is slower while the draft lane works. */
  const slowed = (clock: Clock): Clock => ({
    now: () => clock.now(),
    sleep: async (ms) => {
      for (let left = ms; left > 1e-9;) {
        const sharedMs = Math.max(0, draftEndMs - clock.now());
        const pace = sharedMs > 0 ? 1 / contention : 1;
        const nextMs = Math.min(left / pace, sharedMs > 0 ? sharedMs : LOOK);
        await clock.sleep(nextMs);
        left -= nextMs * pace;
      }
    },
  });
  const written = await simulate({
    setting,
    texts,
    tokens,
    lanes: (clock, text) => {
      const pair = simulatedPair(acceptance, text + 1, PROMPT.length);
      const { verify, draft } = laneOptionsOf(hardwareOf(point, turnaround), pair, PROMPT.length + tokens + 1);
      const jitter = () => {
        draftEndMs = clock.now() + c;
        return 1;
      };
      return {
        verify: new SimulatedLane(slowed(clock), verify),
        draft: new SimulatedLane(clock, { ...draft, jitter }),
      };
    },
  });
  return texts * (tokens + turnaround) / (written.at(-1)!.endMs - written[0]!.startMs);
}
