import { amusd } from "../spec/strategies/amusd.ts";
import { AdaptiveLaunch } from "../spec/schedule/adaptive-launch.ts";
import { ChainedLane } from "../spec/strategies/chained-lane.ts";
import { calibrate } from "../spec/schedule/calibrate.ts";
import { type Clock, VirtualClock } from "../spec/clock.ts";
import { Estimates } from "../spec/schedule/estimates.ts";
import { greedy } from "../spec/strategies/greedy.ts";
import { type Lane, MAX_ROWS } from "../spec/lanes/lane.ts";
import { launchAsPublished, launchFixed, type LaunchRule } from "../spec/schedule/launch-rule.ts";
import { Scheduler } from "../spec/schedule/scheduler.ts";
import { sd } from "../spec/strategies/sd.ts";
import { SimulatedLane, type SimulatedLaneOptions } from "../spec/lanes/simulated-lane.ts";
import type { Strategy } from "../spec/strategies/strategy.ts";
import type { Summary } from "../spec/trace/summary.ts";
import { TokenLog } from "../spec/token-log.ts";
import { Trace } from "../spec/trace/trace.ts";
import type { TraceEvent } from "../spec/trace/trace-events.ts";
import { type Acceptance, type SimulatedPair, simulatedPair } from "./simulated-pair.ts";

/** A lane's times, in ms. */
export interface LaneTimes {
  /** The time of a pass, by its rows from 0 to MAX_ROWS. */
  readonly passMs: readonly number[];
  /** The time of a prefill, for each token. */
  readonly prefillMs: number;
  /** The time from the device's end of a message to the host's knowing. */
  readonly latencyMs: number;
  /**
   * Steps that are kept in the lane's queue: 2 as on GPUs if not given, so that the device doesn't wait for the host.
   */
  readonly stepsAhead?: 1 | 2;
}

export interface SimulatedHardware {
  readonly verify: LaneTimes;
  readonly draft: LaneTimes;
  /** The lane of a model between the two, if there is one. */
  readonly middle?: LaneTimes;
}

/** How to decode. */
export interface Setting {
  /** The setting's name, as the command line says it. */
  readonly name: string;
  readonly strategy: Strategy;
  readonly lookahead: number;
  readonly launchRule: (estimates: Estimates, clock: Clock) => LaunchRule;
  readonly hedge: boolean;
}

const adaptive: Setting["launchRule"] = (estimates, clock) => new AdaptiveLaunch(estimates, clock);
const common = { lookahead: 5, launchRule: adaptive, hedge: false };

export const GREEDY: Setting = { ...common, name: "greedy", strategy: greedy };
export const PUBLISHED: Setting = {
  ...common,
  name: "amusd --launch published --hedge off",
  strategy: amusd,
  launchRule: () => launchAsPublished,
};
export const UNHEDGED: Setting = { ...common, name: "amusd --hedge off", strategy: amusd };
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

/** The prompt of simulated texts, if no other is given: the models of a simulated pair don't care for its tokens. */
export const PROMPT: readonly number[] = [1, 2, 3];

/** The texts that one simulated engine writes, and how. */
export interface Simulation {
  readonly setting: Pick<Setting, "strategy" | "lookahead" | "launchRule" | "hedge">;
  /** The lanes that text number `text` is written on, counted from 0. */
  readonly lanes: (clock: VirtualClock, text: number) => { readonly verify: Lane; readonly draft: Lane };
  /** Tokens of each text. */
  readonly tokens: number;
  /** How many texts are written one after the other; 1 if not given. */
  readonly texts?: number;
  readonly prompt?: readonly number[];
  /** Whether the first text's lanes are measured before it begins, as a real engine does; true if not given. */
  readonly calibrates?: boolean;
  readonly clock?: VirtualClock;
  /** Whether the traces keep their events; false if not given. */
  readonly keepsEvents?: boolean;
  readonly onEvent?: (event: TraceEvent) => void;
}

/** A text that was written, and when, in ms. */
export interface SimulatedText {
  readonly log: TokenLog;
  readonly trace: Trace;
  readonly startMs: number;
  readonly endMs: number;
}

/** Simulates an engine: texts one after the other, where what is learnt of the lanes goes on from each to the next. */
export async function simulate({
  setting,
  lanes,
  tokens,
  texts = 1,
  prompt = PROMPT,
  calibrates = true,
  clock = new VirtualClock(Infinity),
  keepsEvents = false,
  onEvent,
}: Simulation): Promise<SimulatedText[]> {
  const { strategy, lookahead, hedge } = setting;
  const estimates = new Estimates();
  const launchRule = setting.launchRule(estimates, clock);
  const written: SimulatedText[] = [];
  await clock.run(async () => {
    for (let text = 0; text < texts; text++) {
      const pair = lanes(clock, text);
      if (calibrates && text === 0) await calibrate(pair.verify, pair.draft, estimates.costs, clock);
      const [log, trace, startMs] = [new TokenLog(prompt), new Trace(clock, keepsEvents, onEvent), clock.now()];
      const batches = strategy({
        log,
        lanes: pair,
        limits: { maxTokens: tokens, eosIds: [] },
        drafting: { lookahead, hedge },
        scheduler: new Scheduler(estimates, launchRule, trace),
        warn: () => {},
      });
      for await (const _ of batches);
      written.push({ log, trace, startMs, endMs: clock.now() });
    }
  });
  return written;
}

/** The options of a verify and a draft lane, and of one between the two, if there is one. */
export interface LaneOptions {
  readonly verify: SimulatedLaneOptions;
  readonly draft: SimulatedLaneOptions;
  readonly middle?: SimulatedLaneOptions;
}

/** Fresh simulated lanes for each text. A middle lane and the draft lane are one to draft with. */
export function lanesOf({ verify, draft, middle }: LaneOptions): Simulation["lanes"] {
  const estimates = new Estimates();
  return (clock) => {
    const lane = (options: SimulatedLaneOptions) => new SimulatedLane(clock, options);
    const drafting = middle
      ? new ChainedLane({ name: "chained", middle: lane(middle), draft: lane(draft), estimates, clock, warn: () => {} })
      : lane(draft);
    return { verify: lane(verify), draft: drafting };
  };
}

/** The options of lanes on that hardware, by the models of a pair; the draft lane can branch. */
export function laneOptionsOf(
  { verify, draft, middle }: SimulatedHardware,
  pair: SimulatedPair,
  capacity: number,
): LaneOptions {
  const lane = ({ passMs, prefillMs, latencyMs, stepsAhead = 2 }: LaneTimes) => ({
    capacity,
    decodeMs: passMs[1]!,
    verifyMs: (rows: number) => passMs[rows]!,
    prefillMs,
    latencyMs,
    stepsAhead,
  });
  return {
    verify: { ...lane(verify), name: "verify", next: pair.verify },
    draft: { ...lane(draft), ...pair.draft, name: "draft", branchCapacity: MAX_ROWS },
    ...(middle && pair.middle && { middle: { ...lane(middle), ...pair.middle, name: "middle" } }),
  };
}

export interface SimulatedRun {
  readonly summary: Summary;
  readonly events: readonly TraceEvent[];
}

/**
 * A run of `tokens` tokens on simulated hardware, calibrated as a real engine is; the same for the same seed. `middle`
 * is the acceptance of the middle lane's model by the verify model, for hardware that has one.
 */
export async function simulateRun(
  setting: Setting,
  hardware: SimulatedHardware,
  acceptance: Acceptance,
  tokens: number,
  seed: number,
  keepsEvents = false,
  middle?: Acceptance,
): Promise<SimulatedRun> {
  const pair = simulatedPair(acceptance, seed, PROMPT.length, middle);
  const lanes = lanesOf(laneOptionsOf(hardware, pair, PROMPT.length + tokens + 1));
  const [text] = await simulate({ setting, lanes, tokens, keepsEvents });
  const { summary, events } = text!.trace;
  return { summary, events };
}
