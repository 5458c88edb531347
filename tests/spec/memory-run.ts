// `deno run --v8-flags=--expose-gc memory-run.ts TOKENS`: a long run of amusd without a list of events; prints the bytes of heap that are left for each
// token once it has ended. A test runs it in a process of its own.

import process from "node:process";
import { amusd } from "../../src/spec/strategies/amusd.ts";
import { AdaptiveLaunch } from "../../src/spec/schedule/adaptive-launch.ts";
import { VirtualClock } from "../../src/spec/clock.ts";
import { Estimates } from "../../src/spec/schedule/estimates.ts";
import { SimulatedLane } from "../../src/spec/lanes/simulated-lane.ts";
import { TokenLog } from "../../src/spec/token-log.ts";
import { Trace } from "../../src/spec/trace/trace.ts";
import { betaAcceptance, simulatedPair } from "../../src/plan/simulated-pair.ts";
import { laneOptions } from "./simulated-run.ts";

const tokens = Number(process.argv[2]);
const clock = new VirtualClock(Infinity);
const pair = simulatedPair(betaAcceptance(0.8), 1);
const common = { capacity: tokens + 10, prefillMs: 0 };
const verify = new SimulatedLane(
  clock,
  laneOptions("verify", pair.verify, { ...common, decodeMs: 1, verifyMs: () => 1 }),
);
const { draft: next, confidence, second } = pair;
const draft = new SimulatedLane(
  clock,
  laneOptions("draft", next, { ...common, decodeMs: 0.2, confidence, second, branchCapacity: 16 }),
);
const estimates = new Estimates();
let told = 0;
const trace = new Trace(clock, false, () => told++);
const run = {
  log: new TokenLog([1, 2, 3]),
  verify,
  draft,
  maxNewTokens: tokens,
  eosIds: [],
  lookahead: 5,
  estimates,
  launchRule: new AdaptiveLaunch(estimates, clock),
  hedge: true,
  trace,
  warn: console.error,
};
const heap = () => {
  (globalThis as { gc?: () => void }).gc!();
  return process.memoryUsage().heapUsed;
};
const before = heap();
await clock.run(async () => {
  for await (const _ of amusd(run));
});
const after = heap();
if (trace.summary.tokens !== tokens || told < tokens / 10 || trace.events.length > 0) throw new Error("no such run");
console.log((after - before) / tokens);
