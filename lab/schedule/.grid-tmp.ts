import { amusd } from "/work/main/src/spec/amusd.ts";
import { BestLaunch } from "/work/main/src/spec/best-launch.ts";
import { VirtualClock } from "/work/main/src/spec/clock.ts";
import { Estimates } from "/work/main/src/spec/estimates.ts";
import { launchAsPublished, launchAtOnce, launchFixed } from "/work/main/src/spec/launch-rule.ts";
import { sd } from "/work/main/src/spec/sd.ts";
import { SimulatedLane } from "/work/main/src/spec/simulated-lane.ts";
import { collect } from "/work/main/tests/spec/simulated-run.ts";
import { simulatedPair } from "/work/main/lab/schedule/pair.ts";

export async function speedup(
  strategy: any,
  p: { a: number; c: number; beta: number; s: number },
  ruleOf: any,
  o: { hedge?: boolean; tokens?: number; lookahead?: number; seed?: number } = {},
) {
  const tokens = o.tokens ?? 3000;
  const clock = new VirtualClock(100_000_000);
  const estimates = new Estimates();
  const pair = simulatedPair({ acceptance: p.a, concentration: p.s, second: .5, seed: o.seed ?? 7 });
  const tv = (rows: number) => 1 + p.beta * (rows - 1);
  const common = { capacity: 1e6, prefillMs: 0.01, stepsAhead: 1 };
  const verify = new SimulatedLane(clock, {
    ...common,
    name: "verify",
    next: pair.verify,
    decodeMs: 1,
    verifyMs: tv,
    stepsAhead: 2,
  });
  const draft = new SimulatedLane(clock, {
    ...common,
    name: "draft",
    next: pair.draft,
    confidence: pair.confidence,
    second: pair.second,
    decodeMs: p.c,
    verifyMs: (r) => p.c,
    stripCapacity: 16,
  });
  const run = await clock.run(() =>
    collect(strategy, clock, [1, 2, 3], {
      verify,
      draft,
      estimates,
      launchRule: ruleOf(estimates, clock),
      hedge: o.hedge ?? false,
      maxNewTokens: tokens,
      lookahead: o.lookahead ?? 5,
    })
  );
  if (run.error) throw run.error;
  const drafted = run.events.filter((e: any) => e.kind === "operation" && e.lane === "draft").reduce(
    (n: number, e: any) => n + e.chosen.length,
    0,
  );
  return { s: tokens / clock.now(), drafts: drafted / tokens };
}
if (import.meta.main) {
  const s = Number(Deno.args[0] ?? 1);
  const best = (o: any = {}) => (e: any, c: any) => new BestLaunch(e, c, o);
  console.log("a c beta | at once, published, fixed best | best, best+hedge (drafts)");
  let t0 = performance.now();
  for (const beta of [0, 0.1, 0.2, 0.4]) {
    for (const c of [0.05, .1, .2, .3, .5]) {
      for (const a of [0.6, 0.7, 0.8, 0.9]) {
        const p = { a, c, beta, s };
        const f = (x: any) => x.s.toFixed(2);
        const at = await speedup(amusd, p, () => launchAtOnce);
        const pub = await speedup(amusd, p, () => launchAsPublished);
        let fix = 0, fn = 0;
        for (const n of [1, 2, 3, 4, 6, 8]) {
          const r = await speedup(amusd, p, () => launchFixed(n));
          if (r.s > fix) {
            fix = r.s;
            fn = n;
          }
        }
        const b = await speedup(amusd, p, best());
        const h = await speedup(amusd, p, best(), { hedge: true });
        const bound = 1 / ((1 - a) + a * c);
        const others = Math.max(at.s, pub.s, fix);
        console.log(
          `a=${a} c=${c} b=${beta} | ${f(at)} ${f(pub)} ${fix.toFixed(2)}(${fn}) | best ${f(b)} (${
            b.drafts.toFixed(2)
          }) hedge ${f(h)} (${h.drafts.toFixed(2)}) | bound ${bound.toFixed(2)} ${b.s < 0.99 * others ? "LOSES" : ""}${
            h.s < 0.99 * b.s ? " HEDGE LOSES" : ""
          }`,
        );
      }
    }
  }
  console.log(((performance.now() - t0) / 1000).toFixed(1), "s");
}
