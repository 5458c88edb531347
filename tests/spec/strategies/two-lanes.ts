import { VirtualClock } from "../../../src/spec/clock.ts";
import { Estimates } from "../../../src/spec/schedule/estimates.ts";
import { launchAtOnce } from "../../../src/spec/schedule/launch-rule.ts";
import { type Circumstances, Scheduler } from "../../../src/spec/schedule/scheduler.ts";
import { SimulatedLane, type SimulatedLaneOptions } from "../../../src/spec/lanes/simulated-lane.ts";
import { drain } from "../../../src/spec/lanes/traced-lane.ts";
import { Drafter } from "../../../src/spec/strategies/drafter.ts";
import type { Run } from "../../../src/spec/strategies/strategy.ts";
import { Verifier } from "../../../src/spec/strategies/verifier.ts";
import { TokenLog } from "../../../src/spec/token-log.ts";
import type { Operation } from "../../../src/spec/trace/trace-events.ts";
import { Trace } from "../../../src/spec/trace/trace.ts";
import { laneOptions, type Next, runOf, type RunOptions } from "../simulated-run.ts";
import { WatchedLane } from "../lanes/watched-lane.ts";

/** A scheduler that keeps what it hears. */
class WatchedScheduler extends Scheduler {
  readonly heard: (Circumstances & { readonly operation: Operation })[] = [];

  override observe(operation: Operation, circumstances: Circumstances): void {
    this.heard.push({ operation, ...circumstances });
    super.observe(operation, circumstances);
  }
}

/** Both sides of a run that no strategy drives. */
export interface TwoLanes {
  readonly clock: VirtualClock;
  readonly run: Run & { readonly scheduler: WatchedScheduler };
  readonly verifier: Verifier;
  readonly drafter: Drafter;
  readonly verifyMessages: readonly string[];
  readonly draftMessages: readonly string[];
}

export interface TwoLanesOptions extends Partial<RunOptions> {
  readonly next: Next;
  readonly draftNext: Next;
  readonly prompt: readonly number[];
  readonly verifyLane?: Partial<SimulatedLaneOptions>;
  readonly draftLane?: Partial<SimulatedLaneOptions>;
}

/** Lets `body` drive two simulated lanes; afterwards they are drained. */
export function withTwoLanes(options: TwoLanesOptions, body: (lanes: TwoLanes) => Promise<void>): Promise<void> {
  const { next, draftNext, prompt, verifyLane, draftLane, estimates = new Estimates(), ...rest } = options;
  const { launchRule = launchAtOnce } = options;
  const clock = new VirtualClock();
  const verify = new WatchedLane(new SimulatedLane(clock, laneOptions("verify", next, verifyLane)));
  const draft = new WatchedLane(new SimulatedLane(clock, laneOptions("draft", draftNext, draftLane)));
  const trace = new Trace(clock);
  const scheduler = new WatchedScheduler(estimates, launchRule, trace);
  const run = { ...runOf(new TokenLog(prompt), trace, { verify, draft, ...rest }), scheduler };
  const verifier = new Verifier(run);
  const drafter = new Drafter(run, verifier);
  return clock.run(async () => {
    scheduler.start(prompt.length, [verifier.start, drafter.start]);
    await body({ clock, run, verifier, drafter, verifyMessages: verify.messages, draftMessages: draft.messages });
    await drain(trace, verifier.lane, drafter.lane);
  });
}
