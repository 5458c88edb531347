/**
 * Speedups over greedy on simulated lanes, with the times of the embedded pair on lavapipe (tv(1..8), 2026-11-23), for several
 * draft steps and acceptances: `deno run -A lab/schedule/launch-rules.ts`. What it printed: README.md.
 */
import { amusd } from "../../src/spec/amusd.ts";
import { BestLaunch } from "../../src/spec/best-launch.ts";
import { VirtualClock } from "../../src/spec/clock.ts";
import { greedy } from "../../src/spec/greedy.ts";
import { launchAtOnce, type LaunchRule } from "../../src/spec/launch-rule.ts";
import { sd } from "../../src/spec/sd.ts";
import { SimulatedLane } from "../../src/spec/simulated-lane.ts";
import type { Strategy } from "../../src/spec/strategy.ts";
import { agreeingModel, collect, hashModel, laneOptions } from "../../tests/spec/simulated-run.ts";

const VERIFY_MS = [0, 37, 43, 52, 62, 92, 97, 110, 118];
const TOKENS = 1500;

function verifyMs(rows: number): number {
  return VERIFY_MS[rows] ?? 118 + (rows - 8) * 15;
}

async function msPerToken(
  strategy: Strategy,
  acceptance: number,
  draftMs: number,
  ruleOf: (clock: VirtualClock) => LaunchRule = () => launchAtOnce,
  lookahead = 5,
): Promise<number> {
  const clock = new VirtualClock();
  const model = hashModel(1, 1000);
  const common = { capacity: 5000, latencyMs: 0.5 };
  const options = {
    verify: new SimulatedLane(
      clock,
      laneOptions("verify", model, { ...common, decodeMs: verifyMs(1), verifyMs, stepsAhead: 2 }),
    ),
    draft: new SimulatedLane(
      clock,
      laneOptions("draft", agreeingModel(model, acceptance, 1000), {
        ...common,
        decodeMs: draftMs,
        verifyMs: (rows) => draftMs * (1 + 0.1 * rows),
      }),
    ),
    launchRule: ruleOf(clock),
    lookahead,
    maxNewTokens: TOKENS,
  };
  const { error } = await clock.run(() => collect(strategy, clock, [1, 2, 3], options));
  if (error) throw error;
  return clock.now() / TOKENS;
}

console.log("| td, ms | a | sd, best window | amusd, at once | amusd, measured |\n|---|---|---|---|---|");
for (const draftMs of [18, 11.2, 7.5, 3]) {
  for (const acceptance of [0.5, 0.6, 0.7, 0.8, 0.9]) {
    const alone = await msPerToken(greedy, acceptance, draftMs);
    const windows = await Promise.all([1, 2, 3, 4, 5].map((k) => msPerToken(sd, acceptance, draftMs, undefined, k)));
    const atOnce = await msPerToken(amusd, acceptance, draftMs);
    const measured = await msPerToken(amusd, acceptance, draftMs, (clock) => new MeasuredLaunchRule(clock));
    const speedups = [Math.min(...windows), atOnce, measured].map((ms) => (alone / ms).toFixed(2));
    console.log(`| ${draftMs} | ${acceptance} | ${speedups.join(" | ")} |`);
  }
}
