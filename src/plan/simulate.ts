import { amusd } from "../spec/strategies/amusd.ts";
import { AdaptiveLaunch } from "../spec/schedule/adaptive-launch.ts";
import { calibrate } from "../spec/schedule/calibrate.ts";
import { type Clock, VirtualClock } from "../spec/clock.ts";
import { Estimates } from "../spec/schedule/estimates.ts";
import { greedy } from "../spec/strategies/greedy.ts";
import { MAX_ROWS } from "../spec/lanes/lane.ts";
import { launchAsPublished, launchFixed, type LaunchRule } from "../spec/schedule/launch-rule.ts";
import { sd } from "../spec/strategies/sd.ts";
import { SimulatedLane } from "../spec/lanes/simulated-lane.ts";
import type { Strategy } from "../spec/strategies/strategy.ts";
import type { Summary } from "../spec/trace/summary.ts";
import { TokenLog } from "../spec/token-log.ts";
import { Trace } from "../spec/trace/trace.ts";
import type { TraceEvent } from "../spec/trace/trace-events.ts";
import { type Acceptance, simulatedPair } from "./simulated-pair.ts";

/** A lane's times: of a pass by its rows, of a prefill's token, and from the device's end to the host's knowing; in ms. */
export interface LaneTimes {
  readonly passMs: readonly number[];
  readonly prefillMs: number;
  readonly latencyMs: number;
  /** Steps that are kept in the lane's queue: 2 as on GPUs if not given, so that the device doesn't wait for the host. */
  readonly stepsAhead?: 1 | 2;
}

export interface SimulatedHardware {
  readonly verify: LaneTimes;
  readonly draft: LaneTimes;
}

/** How to decode. */
export interface Setting {
  /** As the command line says it. */
  readonly name: string;
  readonly strategy: Strategy;
  readonly lookahead: number;
  readonly launchRule: (estimates: Estimates, clock: Clock) => LaunchRule;
  readonly hedge: boolean;
}

const best: Setting["launchRule"] = (estimates, clock) => new AdaptiveLaunch(estimates, clock);
const common = { lookahead: 5, launchRule: best, hedge: false };

export const GREEDY: Setting = { ...common, name: "greedy", strategy: greedy };
export const PUBLISHED: Setting = {
  ...common,
  name: "amusd --launch published --hedge off",
  strategy: amusd,
  launchRule: () => launchAsPublished,
};
export const BEST: Setting = { ...common, name: "amusd --hedge off", strategy: amusd };
export const HEDGED: Setting = { ...common, name: "amusd", strategy: amusd, hedge: true };

export function sdOf(lookahead: number): Setting {
  return { ...common, name: `sd --lookahead ${lookahead}`, strategy: sd, lookahead };
}

export function fixedOf(count: number): Setting {
  return {
    ...common,
    name: `amusd --launch fixed:${count} --hedge off`,
    strategy: amusd,
    launchRule: () => launchFixed(count),
  };
}

export const LOOKAHEADS: readonly number[] = Array.from({ length: MAX_ROWS - 1 }, (_, i) => i + 1);

const PROMPT = [1, 2, 3];

export interface SimulatedRun {
  readonly summary: Summary;
  readonly events: readonly TraceEvent[];
}

/** A run of `tokens` tokens on simulated hardware, calibrated as a real engine is; the same for the same seed. */
export async function simulateRun(
  setting: Setting,
  { verify, draft }: SimulatedHardware,
  acceptance: Acceptance,
  tokens: number,
  seed: number,
  keepsEvents = false,
): Promise<SimulatedRun> {
  const clock = new VirtualClock(Infinity);
  const estimates = new Estimates();
  const pair = simulatedPair(acceptance, seed, PROMPT.length);
  const lane = (
    name: string,
    { passMs, prefillMs, latencyMs, stepsAhead = 2 }: LaneTimes,
    next: (text: readonly number[]) => number,
  ) => ({
    name,
    next,
    capacity: PROMPT.length + tokens + 1,
    decodeMs: passMs[1]!,
    verifyMs: (rows: number) => passMs[rows]!,
    prefillMs,
    latencyMs,
    stepsAhead,
  });
  const lanes = {
    verify: new SimulatedLane(clock, lane("verify", verify, pair.verify)),
    draft: new SimulatedLane(clock, {
      ...lane("draft", draft, pair.draft),
      confidence: pair.confidence,
      second: pair.second,
      branchCapacity: MAX_ROWS,
    }),
  };
  const trace = new Trace(clock, keepsEvents);
  return await clock.run(async () => {
    await calibrate(lanes.verify, lanes.draft, estimates.costs, clock);
    const { strategy, launchRule, lookahead, hedge } = setting;
    const batches = strategy({
      log: new TokenLog(PROMPT),
      ...lanes,
      maxNewTokens: tokens,
      eosIds: [],
      lookahead,
      estimates,
      launchRule: launchRule(estimates, clock),
      hedge,
      trace,
      warn: () => {},
    });
    for await (const _ of batches);
    return { summary: trace.summary, events: trace.events };
  });
}
