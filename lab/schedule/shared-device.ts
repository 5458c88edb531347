/** Two lanes on one device, where the draft lane slows the verify lane down: for poor-pairs.ts, and for the tests of what it found. */
import { betaAcceptance, simulatedPair } from "../../src/plan/simulated-pair.ts";
import { amusd } from "../../src/spec/strategies/amusd.ts";
import { AdaptiveLaunch } from "../../src/spec/schedule/adaptive-launch.ts";
import { calibrate } from "../../src/spec/schedule/calibrate.ts";
import { type Clock, VirtualClock } from "../../src/spec/clock.ts";
import { Estimates } from "../../src/spec/schedule/estimates.ts";
import { MAX_ROWS } from "../../src/spec/lanes/lane.ts";
import type { LaunchRule } from "../../src/spec/schedule/launch-rule.ts";
import { SimulatedLane } from "../../src/spec/lanes/simulated-lane.ts";
import { TokenLog } from "../../src/spec/token-log.ts";
import { Trace } from "../../src/spec/trace/trace.ts";
import type { Point } from "./point.ts";

export interface SharedPoint extends Point {
  /** How many times as long the verify lane takes for what it does while the draft lane works. */
  readonly drag: number;
  /** The draft says of any token what a good one would, whether it is right or not. */
  readonly isBoastful: boolean;
  /** Of the verify lane, from the device's end to the host's knowing, in tv(1); a fourth of it for the draft lane. */
  readonly turnaround: number;
}

const PROMPT = [1, 2, 3];
const BOAST = 0.9;
/** So often the verify lane looks whether the draft lane has begun, in tv(1). */
const LOOK = 0.05;

/** Simulated speed over greedy's, of one engine that writes so many texts one after the other, on a device that both lanes share. */
export async function sharedSpeedup(
  { a, c, beta, drag, isBoastful, turnaround }: SharedPoint,
  { texts, tokens }: { readonly texts: number; readonly tokens: number },
  ruleOf: (estimates: Estimates, clock: Clock) => LaunchRule = (...given) => new AdaptiveLaunch(...given),
): Promise<number> {
  const clock = new VirtualClock(Infinity);
  const estimates = new Estimates();
  const launchRule = ruleOf(estimates, clock);
  const acceptance = isBoastful
    ? { draws: betaAcceptance(BOAST).draws.map(({ confidence }) => ({ confidence, chance: a })), second: 0.2 }
    : betaAcceptance(a);
  let draftEndMs = 0;
  const dragged: Clock = {
    now: () => clock.now(),
    sleep: async (ms) => {
      for (let left = ms; left > 1e-9;) {
        const sharedMs = Math.max(0, draftEndMs - clock.now());
        const pace = sharedMs > 0 ? 1 / drag : 1;
        const nextMs = Math.min(left / pace, sharedMs > 0 ? sharedMs : LOOK);
        await clock.sleep(nextMs);
        left -= nextMs * pace;
      }
    },
  };
  const lanes = (seed: number) => {
    const pair = simulatedPair(acceptance, seed, PROMPT.length);
    const common = { capacity: PROMPT.length + tokens + 1, prefillMs: 0 };
    const verify = new SimulatedLane(dragged, {
      ...common,
      name: "verify",
      next: pair.verify,
      decodeMs: 1,
      verifyMs: (rows) => 1 + beta * (rows - 1),
      latencyMs: turnaround,
      stepsAhead: 2,
    });
    const draft = new SimulatedLane(clock, {
      ...common,
      name: "draft",
      next: pair.draft,
      decodeMs: c,
      verifyMs: () => c,
      latencyMs: turnaround / 4,
      stepsAhead: 1,
      confidence: pair.confidence,
      second: pair.second,
      branchCapacity: MAX_ROWS,
      jitter: () => {
        draftEndMs = clock.now() + c;
        return 1;
      },
    });
    return { verify, draft };
  };
  return await clock.run(async () => {
    const { verify, draft } = lanes(0);
    await calibrate(verify, draft, estimates.costs, clock);
    const fromMs = clock.now();
    for (let text = 1; text <= texts; text++) {
      const batches = amusd({
        log: new TokenLog(PROMPT),
        ...lanes(text),
        maxNewTokens: tokens,
        eosIds: [],
        lookahead: 5,
        estimates,
        launchRule,
        hedge: true,
        trace: new Trace(clock, false),
        warn: () => {},
      });
      for await (const _ of batches);
    }
    return texts * (tokens + turnaround) / (clock.now() - fromMs);
  });
}
