// The strategies on Llama 1B + 8B shapes, two devices on one card. The weights are random, so the text is played in:
// what a recorded run's verifications committed says which drafts are right. Times, overlap and the schedule are real.
// Beside each run stands a simulation by the times measured here: achieved over simulated.

import { chooseAdapters, listAdapters, openDevice } from "../../../src/gpu/adapters.ts";
import { Device } from "../../../src/gpu/device.ts";
import { ModelLane } from "../../../src/engine/model-lane.ts";
import { openModelFile } from "../../../src/engine/model-pair.ts";
import { Llama } from "../../../src/llama/llama.ts";
import {
  GREEDY,
  HEDGED,
  laneOptionsOf,
  sdOf,
  type Setting,
  simulateRun,
  UNHEDGED,
} from "../../../src/plan/simulate.ts";
import { type Acceptance, simulatedPair } from "../../../src/plan/simulated-pair.ts";
import { type Clock, RealClock } from "../../../src/spec/clock.ts";
import { MAX_ROWS } from "../../../src/spec/lanes/lane.ts";
import { SimulatedLane } from "../../../src/spec/lanes/simulated-lane.ts";
import { calibrate } from "../../../src/spec/schedule/calibrate.ts";
import { Estimates } from "../../../src/spec/schedule/estimates.ts";
import { Scheduler } from "../../../src/spec/schedule/scheduler.ts";
import { TokenLog } from "../../../src/spec/token-log.ts";
import { Trace } from "../../../src/spec/trace/trace.ts";
import recorded from "../acceptance.json" with { type: "json" };
import { partOptions, tell } from "../part.ts";
import { PlayedLane } from "../played-lane.ts";
import { randomModel, type ShapeName } from "../random-model.ts";

const { scale, scratch } = partOptions();
const TEXTS = scale === "full" ? 4 : 1;
const TOKENS = scale === "full" ? 256 : 16;
const PROMPT = Array.from({ length: scale === "full" ? 128 : 8 }, (_, i) => 1 + i % 100);
const CAPACITY = PROMPT.length + TOKENS + MAX_ROWS + 1;
const SETTINGS: readonly Setting[] = [GREEDY, sdOf(5), sdOf(7), UNHEDGED, HEDGED];

/** A clock on which simulated lanes take no time: the devices' own counts. */
const instant: Clock = { now: () => performance.now(), sleep: async () => {} };

/**
 * The recorded text as right and wrong drafts. A verification that committed as many tokens as were drafted had all
 * right; any other one ended with a correction. How sure the draft model was isn't known: it is the mean for all.
 */
function acceptanceOf(committed: readonly number[]): Acceptance {
  const right = committed.flatMap((count) => {
    const isAll = count === recorded.drafted;
    return [...Array<boolean>(isAll ? count : count - 1).fill(true), ...isAll ? [] : [false]];
  });
  const mean = right.filter((isRight) => isRight).length / right.length;
  const draws = right.map((isRight) => ({ confidence: mean, chance: isRight ? 1 : 0 }));
  return { draws, inOrder: true, runnerUp: 0.5 };
}

const { verify: { adapter } } = chooseAdapters(await listAdapters());
async function laneOf(label: "verify" | "draft", shape: ShapeName): Promise<ModelLane> {
  const { path } = await randomModel(scratch, scale, shape, "Q4_K_M");
  const device = new Device(await openDevice({ adapter, label }));
  const { checkpoint, config } = await openModelFile(path);
  const branchCapacity = label === "draft" ? MAX_ROWS : 0;
  const llama = await Llama.load(device, checkpoint, config, { capacity: CAPACITY, branchCapacity });
  await checkpoint.close();
  return new ModelLane(label, llama, label === "draft" && device.software ? 1 : 2, () => device.close());
}

const lanes = { verify: await laneOf("verify", "8B"), draft: await laneOf("draft", "1B") };
const clock = new RealClock();
const estimates = new Estimates();
await calibrate(lanes.verify, lanes.draft, estimates.costs, clock);
const passMs = Array.from({ length: MAX_ROWS + 1 }, (_, rows) => rows === 0 ? 0 : estimates.costs.verifyMs(rows)!);
const draftMs = estimates.costs.draftMs()!;
tell("calibrated", { draftMs, passMs });

// What is done once is done before anything is timed.
await Promise.all([lanes.verify.decode(1, 0, 4), lanes.draft.decode(1, 0, 4)]);

const free = { passMs: passMs.map(() => 0), prefillMs: 0, latencyMs: 0 };
const rules = new Map(SETTINGS.map((setting) => [setting, setting.launchRule(estimates, clock)]));
for (const [i, committed] of recorded.committed.slice(0, TEXTS).entries()) {
  const acceptance = acceptanceOf(committed);
  for (const setting of SETTINGS) {
    const pair = simulatedPair(acceptance, i + 1, PROMPT.length);
    const options = laneOptionsOf({ verify: free, draft: free }, pair, CAPACITY);
    const played = {
      verify: new PlayedLane(lanes.verify, new SimulatedLane(instant, options.verify)),
      draft: new PlayedLane(lanes.draft, new SimulatedLane(instant, options.draft)),
    };
    const trace = new Trace(clock, false);
    const { strategy, lookahead, hedge } = setting;
    const batches = strategy({
      log: new TokenLog(PROMPT),
      lanes: played,
      limits: { maxTokens: TOKENS, eosIds: [] },
      drafting: { lookahead, hedge },
      scheduler: new Scheduler(estimates, rules.get(setting)!, trace),
      warn: (message) => tell(setting.name, { warning: message }),
    });
    for await (const _ of batches);
    const { msPerToken, acceptance: share, tokensPerVerification, overlapMs } = trace.summary;

    const { costs } = estimates;
    const measured = passMs.map((ms, rows) => rows === 0 ? 0 : costs.verifyMs(rows) ?? ms);
    const hardware = {
      verify: { passMs: measured, prefillMs: 0, latencyMs: costs.turnaroundMs("verify") },
      draft: { passMs: measured.map(() => costs.draftMs()!), prefillMs: 0, latencyMs: costs.turnaroundMs("draft") },
    };
    const { summary } = await simulateRun(setting, hardware, acceptance, TOKENS, i + 1);
    tell(`text ${i + 1}: ${setting.name}`, {
      msPerToken,
      simulatedMs: summary.msPerToken,
      achieved: summary.msPerToken! / msPerToken!,
      acceptance: share,
      tokensPerVerification,
      overlapMs,
    });
  }
}
await Promise.all([lanes.verify.close(), lanes.draft.close()]);
