// `deno run --v8-flags=--expose-gc memory-run.ts TOKENS [chain]`: a long run of amusd, with two models or three and
// without a list of events; prints the bytes of heap that are left for each token once it has ended. A test runs it in
// a process of its own.

import process from "node:process";
import { HEDGED, laneOptionsOf, lanesOf, PROMPT, simulate } from "../../src/plan/simulate.ts";
import { betaAcceptance, simulatedPair } from "../../src/plan/simulated-pair.ts";
import { VirtualClock } from "../../src/spec/clock.ts";
import { hardwareOf } from "./schedule/point.ts";

const tokens = Number(process.argv[2]);
const pair = hardwareOf({ a: 0.8, c: 0.2, beta: 0 });
const hardware = process.argv[3] === "chain" ? { ...pair, middle: pair.draft } : pair;
const models = simulatedPair(betaAcceptance(0.8), 1, PROMPT.length, betaAcceptance(0.9, { seed: 2 }));
const options = laneOptionsOf(hardware, models, tokens + 10);
const clock = new VirtualClock(Infinity);
const lanes = lanesOf(options)(clock, 0);
let told = 0;
const heap = () => {
  (globalThis as { gc?: () => void }).gc!();
  return process.memoryUsage().heapUsed;
};
const before = heap();
const [text] = await simulate({
  setting: HEDGED,
  clock,
  lanes: () => lanes,
  tokens,
  calibrates: false,
  onEvent: () => told++,
});
const after = heap();
// What follows also holds the lanes and the text while the heap is measured.
const { trace, log } = text!;
if (lanes.verify.capacity < tokens || log.length < tokens || trace.summary.tokens !== tokens) {
  throw new Error("no text");
}
if (told < tokens / 10 || trace.events.length > 0) throw new Error("no events, or kept ones");
console.log((after - before) / tokens);
