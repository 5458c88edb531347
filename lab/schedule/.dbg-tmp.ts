import { amusd } from "../../src/spec/amusd.ts";
import { BestLaunch } from "../../src/spec/best-launch.ts";
import { launchAtOnce } from "../../src/spec/launch-rule.ts";
import { VirtualClock } from "../../src/spec/clock.ts";
import { Estimates } from "../../src/spec/estimates.ts";
import { SimulatedLane } from "../../src/spec/simulated-lane.ts";
import { collect } from "../../tests/spec/simulated-run.ts";
import { simulatedPair } from "./pair.ts";
import { summarize } from "../../src/spec/summary.ts";
const [a, c, beta] = Deno.args.map(Number) as [number, number, number];
for (
  const [name, ruleOf] of Object.entries<any>({
    once: () => launchAtOnce,
    best: (e: any, c: any) => new BestLaunch(e, c),
    all: (e: any, c: any) => new BestLaunch(e, c, { reached: 1e-9 }),
  })
) {
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
  const rule = ruleOf(estimates, clock);
  const run = await clock.run(() =>
    collect(amusd, clock, [1, 2, 3], { verify, draft, estimates, launchRule: rule, hedge: false, maxNewTokens: 3000 })
  );
  const s = summarize(run.events);
  const hist: number[] = [];
  for (const e of run.events) {
    if (e.kind === "operation" && e.accepted !== undefined) hist[e.tokens.length] = (hist[e.tokens.length] ?? 0) + 1;
  }
  console.log(
    name,
    (3000 / clock.now()).toFixed(2),
    "tok/v",
    s.tokensPerVerification!.toFixed(2),
    "busy",
    (s.lanes[0]!.busyMs / clock.now()).toFixed(2),
    (s.lanes[1]!.busyMs / clock.now()).toFixed(2),
    "acc",
    s.acceptance!.toFixed(2),
    "mean",
    estimates.predictor.mean.toFixed(2),
    Object.entries(hist).map(([k, v]) => `${k}:${v}`).join(" "),
  );
  const places: number[][] = [];
  for (const e of run.events) {
    if (e.kind === "operation" && e.accepted !== undefined) {
      for (let i = 0; i < e.tokens.length - 1 && i <= e.accepted; i++) {
        const p = places[i] ??= [0, 0];
        p[0]!++;
        p[1]! += i < e.accepted ? 1 : 0;
      }
    }
  }
  console.log(
    "   acceptance by place",
    places.slice(0, 8).map(([n, k]) => (k! / n!).toFixed(2)).join(" "),
    " w",
    JSON.stringify([.02, .5, .98].map((x) => estimates.predictor.chance(x, 1).toFixed(3))),
    JSON.stringify([.02, .5, .98].map((x) => estimates.predictor.chance(x, 5).toFixed(3))),
  );
}
