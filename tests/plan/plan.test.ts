import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import shipped from "../../src/plan/hardware.json" with { type: "json" };
import {
  type MeasuredSpec,
  parseHardware,
  passMs,
  prefillMs,
  type RooflineSpec,
  SHIPPED_HARDWARE,
  shippedHardware,
} from "../../src/plan/hardware-spec.ts";
import { namedModel, SHAPE_NAMES } from "../../src/plan/model-work.ts";
import { acceptanceOf, ORIGINAL_SAMPLES, originalHardware } from "./original-samples.ts";
import { plan } from "../../src/plan/plan.ts";
import { benchTimes, recordedTimes, tracesOf } from "../../src/plan/recorded.ts";
import { GREEDY, HEDGED, PUBLISHED, sdOf, type Setting, simulateRun } from "../../src/plan/simulate.ts";
import { betaAcceptance, recordedAcceptance } from "../../src/plan/simulated-pair.ts";

for (const sample of ORIGINAL_SAMPLES) {
  test(`the original program's ${sample.name} is reproduced from its times and acceptance`, async () => {
    const check = async (what: string, setting: Setting, draftMs: number, wanted: number) => {
      const hardware = originalHardware(draftMs, sample.oneMs, sample.sixMs);
      const { summary } = await simulateRun(setting, hardware, acceptanceOf(sample), sample.tokens, 1);
      const got = summary.msPerToken!;
      assert.ok(Math.abs(got / wanted - 1) < 0.05, `${what}: ${got} ms a token, wanted ${wanted}`);
    };
    await check("greedy", GREEDY, 1, sample.oneMs);
    await check("sd", sdOf(5), sample.sdDraftMs, sample.sdMs);
    await check("amusd", PUBLISHED, sample.amusdDraftMs, sample.amusdMs);
  });
}

test("acceptanceOf() tells runs that contradict each other", () => {
  const [sample] = ORIGINAL_SAMPLES;
  assert.throws(
    () => acceptanceOf({ ...sample!, amusdCommitted: "3" + sample!.amusdCommitted }),
    /the runs differ in whether/,
  );
});

const lane = (oneMs: number, slope: number, latencyMs = 0) => ({
  passMs: Array.from({ length: 17 }, (_, rows) => oneMs * (1 + slope * (rows - 1))),
  prefillMs: 0,
  latencyMs,
});

test("plan() obeys what must hold on any hardware", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        a: fc.double({ min: 0.2, max: 0.95, noNaN: true }),
        c: fc.double({ min: 0.05, max: 1, noNaN: true }),
        slope: fc.constantFrom(0, 0.1, 0.5),
        latencyMs: fc.constantFrom(0, 2),
      }),
      async ({ a, c, slope, latencyMs }) => {
        const hardware = { verify: lane(20, slope, latencyMs), draft: lane(20 * c, 0, latencyMs) };
        const made = await plan({ hardware, acceptance: betaAcceptance(a), tokens: 400, runs: 1 });
        const [greedy] = made.rows;
        // Greedy keeps a step ahead in the queue: the latency is hidden while it is shorter than a step.
        assert.ok(Math.abs(greedy!.msPerToken - 20) < 0.1, `greedy ${greedy!.msPerToken}`);
        for (const row of made.rows) {
          // A run of 400 tokens is off the mean by chance.
          const most = row.setting === HEDGED.name ? 1.3 : 1.15;
          assert.ok(row.speedup < most * made.linearBound, `${row.setting}: ${row.speedup}, bound ${made.linearBound}`);
          assert.ok(row.verifyBusy <= 1.0001 && (row.draftBusy ?? 0) <= 1.0001 && row.wastedPerToken >= 0);
        }
        const least = Math.min(...made.rows.map(({ msPerToken }) => msPerToken));
        assert.is(made.rows.find(({ setting }) => setting === made.use)!.msPerToken, least);
      },
    ),
    { numRuns: 6 },
  );
});

test("a simulated run is the same for the same seed, and another for another", async () => {
  const hardware = { verify: lane(20, 0.1), draft: lane(4, 0) };
  const run = (seed: number) => simulateRun(HEDGED, hardware, betaAcceptance(0.8), 300, seed, true);
  const [one, same, other] = [await run(1), await run(1), await run(2)];
  assert.equal(same.events, one.events);
  assert.is.not(other.summary.msPerToken, one.summary.msPerToken);
});

test("ten thousand simulated tokens are written in time, whatever the text's length", async () => {
  const hardware = { verify: lane(20, 0.1), draft: lane(4, 0) };
  const { summary } = await simulateRun(HEDGED, hardware, betaAcceptance(0.8), 10_000, 1);
  assert.is(summary.tokens, 10_000);
});

test("the roofline: weights and cache at the bandwidth, rows at the multiply-adds, dispatches on top", () => {
  const spec: RooflineSpec = {
    name: "x",
    source: "made up",
    latencyMs: 0,
    bandwidthGBs: 100,
    bandwidthShare: 0.5,
    teraflops: 1,
    computeShare: 0.5,
    dispatchUs: 10,
  };
  const model = { name: "m", weightBytes: 100e6, multiplyAdds: 100e6, cacheBytes: 10_000, dispatches: 100 };
  const passes = passMs(spec, model, 5000);
  // 150 MB at 50 GB/s are 3 ms; 200 MFLOP a row at 500 GFLOP/s are 0.4 ms; 100 dispatches are 1 ms.
  assert.is(passes[1], 4);
  assert.is(passes[7], 4);
  assert.ok(Math.abs(passes[16]! - 7.4) < 1e-9);
  assert.throws(() => passMs(spec, undefined, 1), (error: Error) => /wants a model/.test(error.message));
});

test("measured hardware lies on lines between what was measured, and goes on beyond", () => {
  const spec: MeasuredSpec = { name: "x", source: "", latencyMs: 0, passMs: { "1": 10, "5": 18 } };
  const passes = passMs(spec, undefined, 1);
  assert.equal([1, 3, 5, 7].map((rows) => passes[rows]), [10, 14, 18, 22]);
  assert.is(prefillMs(spec, passes), passes[16]! / 16);
  assert.is(prefillMs({ ...spec, prefillMsPerToken: 3 }, passes), 3);
});

test("the hardware that ships is whole, and their names and sources are there", () => {
  assert.ok(SHIPPED_HARDWARE.length >= 8);
  assert.is(new Set(SHIPPED_HARDWARE).size, SHIPPED_HARDWARE.length);
  for (const spec of shipped) {
    assert.ok(parseHardware(spec, "here"));
    assert.ok(spec.source.length > 20, spec.name);
    assert.is(shippedHardware(spec.name)?.name, spec.name);
  }
});

test("what is wrong with a hardware file is said in one line", () => {
  const good: Record<string, unknown> = { name: "x", source: "y", latencyMs: 0, passMs: { "1": 5 } };
  assert.ok(parseHardware(good, "p"));
  const bad: [unknown, RegExp][] = [
    [null, /^p: it is no JSON object; /],
    [[], /no JSON object/],
    [{ ...good, speed: 1 }, /"speed" is none of name, source, passMs, /],
    [{ ...good, name: undefined }, /"name" is missing or no text/],
    [{ ...good, latencyMs: -1 }, /"latencyMs" is -1, wanted a number from 0/],
    [{ ...good, latencyMs: undefined }, /"latencyMs" is missing/],
    [{ ...good, passMs: { "2": 5 } }, /"passMs" has to give/],
    [{ ...good, passMs: { "1": 0 } }, /"passMs" has to give/],
    [{ ...good, passMs: { "1": 5, "17": 6 } }, /"passMs" has to give/],
    [{ ...good, passMs: undefined }, /"bandwidthGBs" is missing/],
    [{ ...shipped[0], teraflops: 0 }, /"teraflops" is 0, wanted a number above 0/],
    [{ ...shipped[0], bandwidthGBs: NaN }, /"bandwidthGBs" is null, wanted/],
  ];
  for (const [value, message] of bad) {
    assert.throws(
      () => parseHardware(value, "p"),
      (error: Error) => error instanceof TypeError && message.test(error.message) && !error.message.includes("\n"),
    );
  }
});

test("models by name: multiply-adds and bytes as published", () => {
  // 1.24 and 8.03 thousand million parameters. The tied embedding of the 1B counts once; the 8B has an output matrix
  // too, and a pass reads only that one whole.
  const one = namedModel("llama-3.2-1b:f16")!;
  assert.ok(Math.abs(one.multiplyAdds / 1.236e9 - 1) < 0.01, `${one.multiplyAdds}`);
  assert.is(one.weightBytes, 2 * one.multiplyAdds);
  const eight = namedModel("Llama-3.1-8B:Q8_0")!;
  assert.ok(Math.abs(eight.multiplyAdds / (8.03e9 - 0.525e9) - 1) < 0.01, `${eight.multiplyAdds}`);
  assert.is(eight.weightBytes, eight.multiplyAdds * 34 / 32);
  assert.is(namedModel("llama-3.1-8b:q4_k_m")!.weightBytes, eight.multiplyAdds * 144 / 256);
  assert.is(eight.dispatches, 163);
  assert.is(namedModel("llama-3.1-8b:q9"), null);
  assert.is(namedModel("toString"), null);
  assert.ok(SHAPE_NAMES.every((name) => namedModel(name)));
});

test("a recorded run gives its times and chances back", async () => {
  const hardware = { verify: lane(20, 0.1), draft: lane(4, 0) };
  const { events, summary } = await simulateRun(HEDGED, hardware, betaAcceptance(0.7), 2000, 3, true);
  const traces = tracesOf(JSON.parse(JSON.stringify({ events })), "here");
  const times = recordedTimes(traces, "here");
  assert.is(Math.round(times.draft.passMs[1]!), 4);
  for (const rows of [1, 2, 4]) assert.ok(Math.abs(times.verify.passMs[rows]! - hardware.verify.passMs[rows]!) < 0.01);
  // Every third operation is held up.
  const heldUp = events.map((event, i) =>
    event.kind === "operation" && i % 3 === 0
      ? { ...event, endMs: event.startMs + 2 * (event.endMs - event.startMs) }
      : event
  );
  const slower = recordedTimes(traces, "here", [heldUp]).verify.passMs;
  let [tookMs, byRowsMs] = [0, 0];
  for (const event of heldUp) {
    if (event.kind !== "operation" || event.accepted === undefined) continue;
    tookMs += event.endMs - event.startMs;
    byRowsMs += slower[event.tokens.length]!;
  }
  assert.ok(Math.abs(byRowsMs / tookMs - 1) < 1e-9, `${byRowsMs} ms, wanted ${tookMs} in all`);
  assert.ok(Math.abs(slower[4]! / slower[1]! - times.verify.passMs[4]! / times.verify.passMs[1]!) < 1e-9);
  const acceptance = recordedAcceptance(traces, "here");
  const again = await simulateRun(HEDGED, hardware, acceptance, 2000, 4);
  assert.ok(Math.abs(again.summary.msPerToken! / summary.msPerToken! - 1) < 0.1, `${again.summary.msPerToken} ms`);
  assert.throws(
    () => recordedAcceptance([events.slice(0, 10)], "here"),
    (error: Error) => /^here: of \d+ drafted tokens it tells/.test(error.message),
  );
  assert.throws(
    () => recordedTimes([events.slice(0, 1)], "here"),
    (error: Error) => /^here: it has no draft steps/.test(error.message),
  );
  assert.throws(
    () => tracesOf({ runs: [{}] }, "here"),
    (error: Error) => /^here: it has no traces/.test(error.message),
  );
});

test("what the benchmark measured gives times", () => {
  const figure = (median: number) => ({ median });
  const speed = { verify1Ms: figure(20), verify4Ms: figure(35), draftMs: figure(4), prefillMs: figure(7) };
  const times = benchTimes({ speed }, "here")!;
  assert.equal([times.draft.passMs[1], times.verify.passMs[2], times.verify.prefillMs], [4, 25, 7]);
  assert.is(benchTimes({}, "here"), null);
});

test.run();
