import { amusd } from "../../src/spec/amusd.ts";
import { BestLaunch } from "../../src/spec/best-launch.ts";
import { VirtualClock } from "../../src/spec/clock.ts";
import { Estimates } from "../../src/spec/estimates.ts";
import { SimulatedLane } from "../../src/spec/simulated-lane.ts";
import { collect } from "../../tests/spec/simulated-run.ts";
import { simulatedPair } from "./pair.ts";
const [a, c, beta] = [.9, .05, 0];
const clock = new VirtualClock(1e8), estimates = new Estimates();
const pair = simulatedPair({ acceptance: a, concentration: 1, second: .5, seed: 7 });
const tv = (rows: number) => 1 + beta * (rows - 1);
const verify = new SimulatedLane(clock, {
  capacity: 1e6,
  prefillMs: .01,
  name: "verify",
  next: pair.verify,
  decodeMs: 1,
  verifyMs: tv,
  stepsAhead: 2,
});
const draft = new SimulatedLane(clock, {
  capacity: 1e6,
  prefillMs: .01,
  stepsAhead: 1,
  name: "draft",
  next: pair.draft,
  confidence: pair.confidence,
  second: pair.second,
  decodeMs: c,
  verifyMs: () => c,
  stripCapacity: 16,
});
const rule = new BestLaunch(estimates, clock);
const take = rule.take.bind(rule);
let n = 0;
rule.take = (ch, st) => {
  const r = take(ch, st);
  if (n++ > 3000 && n < 3120) console.log(clock.now().toFixed(2), st, ch.map((x) => x.toFixed(2)).join(" "), "->", r);
  return r;
};
const obs = rule.observe.bind(rule);
rule.observe = (o) => {
  obs(o);
  if (n > 3000 && n < 3120 && o.accepted !== undefined) {
    console.log("      accepted", o.accepted, "of", o.tokens.length - 1);
  }
};
await clock.run(() =>
  collect(amusd, clock, [1, 2, 3], { verify, draft, estimates, launchRule: rule, hedge: false, maxNewTokens: 3000 })
);
