// The pictures of simulated benchmarks are held against the simulated figures.

import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { BenchmarkRun, DeviceSample, Results } from "../../src/benchmark/results.ts";
import { standaloneSvg, WIDTH } from "../../src/benchmark/viz/draw.ts";
import { barsOf } from "../../src/benchmark/viz/fates.ts";
import { FATE_COLORS, STRATEGY_COLORS } from "../../src/benchmark/viz/palette.ts";
import { drawPictures } from "../../src/benchmark/viz/pictures.ts";
import { renderPng } from "../../src/benchmark/viz/png.ts";
import { casesOf, printable, typicalCase } from "../../src/benchmark/viz/runs.ts";
import type { Operation, TraceEvent } from "../../src/spec/trace/trace-events.ts";
import { simulateBenchmark } from "./results-fixture.ts";

const results = await simulateBenchmark({ samples: 4 });
const svgs = await svgsOf(results);

async function svgsOf(results: Results): Promise<Record<string, string>> {
  return Object.fromEntries((await drawPictures(results)).map(({ name, svg }) => [name, svg]));
}

/** The attributes of all marks of a kind, as "line" or "rect", without the marks of axes and legends. */
function marksOf(svg: string, kind: string): Record<string, string>[] {
  const groups = svg.matchAll(new RegExp(`<g class="mark-${kind} role-mark[^"]*"[^>]*>(.*?)</g>`, "g"));
  return Array.from(groups).flatMap(([, content]) =>
    Array.from(
      content!.matchAll(/<(?:path|text|line) ([^>]*?)\/?>/g),
      ([, attributes]) =>
        Object.fromEntries(
          Array.from(attributes!.matchAll(/([\w-]+)="([^"]*)"/g), ([, name, value]) => [name!, value!]),
        ),
    )
  );
}

const textsOf = (svg: string) => Array.from(svg.matchAll(/<text [^>]*>([^<]*)<\/text>/g), ([, text]) => text!);

/** A path's points; H and V leave the other coordinate as it is. */
function pointsOf(path: string): [number, number][] {
  const points: [number, number][] = [];
  let [x, y] = [0, 0];
  for (const [, command, values] of path.matchAll(/([MLHV])([^MLHVZ]*)/g)) {
    const [a, b] = values!.split(",").map(Number);
    if (command === "H") x = a!;
    else if (command === "V") y = a!;
    else [x, y] = [a!, b!];
    points.push([x, y]);
  }
  return points;
}

const near = (got: number, wanted: number, tolerance: number) =>
  assert.ok(Math.abs(got - wanted) <= tolerance, `${got}, wanted ${wanted}`);

function durationMs({ events }: BenchmarkRun): number {
  const commits = events.filter((event) => event.kind === "commit");
  return commits.at(-1)!.ms - (events[0] as { ms: number }).ms;
}

test("there are five pictures, without a missing number, each with a title", () => {
  assert.equal(Object.keys(svgs), ["tokens", "timeline", "devices", "acceptance", "speed"]);
  for (const [name, svg] of Object.entries(svgs)) {
    assert.not.match(svg, /NaN|undefined|Infinity|null/, name);
    assert.match(svg, /^<svg role="img" aria-label="[^"]{10,}" [^>]*viewBox="0 0 \d+ \d+">/);
    // Vega numbers them through all that it ever drew, and in the page each may be there once only.
    assert.not.match(svg, / id="|url\(#/, name);
  }
});

test("equal results give equal pictures, whatever was drawn before", async () => {
  assert.equal(await svgsOf(structuredClone(results)), svgs);
});

test("tokens: a line for each run, as high as its tokens and as long as it took", () => {
  const lines = marksOf(svgs.tokens!, "line");
  assert.is(lines.length, results.runs.length);
  const bold = lines.filter((line) => Number(line["stroke-width"]) > 2);
  assert.equal(bold.map(({ stroke }) => stroke), results.configuration.strategies.map((name) => STRATEGY_COLORS[name]));

  const { runs } = typicalCase(casesOf(results), results.configuration.strategies);
  const longest = Math.max(...results.runs.map(durationMs));
  const ends = bold.map(({ d }) => pointsOf(d!).at(-1)!);
  // The axis ends at a round number: the scale is that of the first line.
  const scale = ends[0]![0] / durationMs(runs.get("greedy")!);
  assert.ok(scale * longest <= WIDTH && scale * longest > 0.8 * WIDTH);
  for (const [i, run] of [...runs.values()].entries()) {
    const [x, y] = ends[i]!;
    near(x, scale * durationMs(run), 0.01);
    near(y, 0, 0.01);
    const [[, bottom], [x1, y1]] = pointsOf(bold[i]!.d!) as [[number, number], [number, number]];
    near(x1, scale * run.ttftMs!, 0.01);
    assert.is(y1, bottom, "no token before the first");
    const rises = new Set(pointsOf(bold[i]!.d!).map(([, y]) => y)).size - 1;
    assert.is(rises, run.events.filter(({ kind }) => kind === "commit").length);
  }
});

const operation = (
  lane: string,
  position: number,
  tokens: number[],
  chosen: number[],
  ms: number,
  rest = {},
): Operation => ({
  kind: "operation",
  lane,
  operation: lane === "draft" ? "decode" : "verify",
  epoch: 0,
  position,
  tokens,
  chosen,
  startMs: ms,
  endMs: ms + 2,
  stale: false,
  ...rest,
});

test("an operation's fate is told by what became of its tokens", () => {
  // The text is [9] 1 2 5 6; the draft wrote 1 2 3 4, is corrected by 5, and then writes 6 and one behind the end.
  const commit = (ms: number, first: number, ...tokens: number[]): TraceEvent => ({
    kind: "commit",
    ms,
    tokens: tokens.map((token, i) => ({ token, position: first + i, origin: "accepted" })),
  });
  const events: TraceEvent[] = [
    { kind: "start", ms: 0, promptTokens: 1, lanes: [{ name: "V", cached: 0 }, { name: "draft", cached: 0 }] },
    operation("V", 0, [9], [1], 0, { accepted: 0 }),
    commit(2, 1, 1),
    operation("draft", 0, [9, 1, 2], [1, 2, 3], 0, { endMs: 3 }),
    operation("draft", 3, [3], [4], 3),
    operation("V", 1, [1, 2, 3, 4], [2, 5, 0, 0], 5, { accepted: 1 }),
    operation("draft", 4, [4], [7], 5, { stale: true }),
    commit(7, 2, 2, 5),
    operation("draft", 3, [5], [6], 7),
    operation("draft", 4, [6], [8], 9),
    operation("V", 3, [5, 6], [6, 0], 9, { accepted: 1 }),
    commit(11, 4, 6),
    operation("V", 4, [6], [0], 11, { stale: true }),
  ];
  const bars = barsOf(events).map(({ lane, startMs, endMs, bottom, top, fate }) =>
    `${lane} ${startMs}-${endMs} ${bottom.toFixed(2)}-${top.toFixed(2)} ${fate}`
  );
  assert.equal(bars, [
    "verify 0-2 0.00-1.00 alone",
    "draft 0-1 0.00-1.00 accepted",
    "draft 1-2 0.00-1.00 accepted",
    "draft 2-3 0.00-1.00 rejected",
    "draft 3-5 0.00-1.00 rejected",
    "verify 5-7 0.00-0.33 accepted",
    "verify 5-7 0.33-1.00 rejected",
    "draft 5-7 0.00-1.00 stale",
    "draft 7-9 0.00-1.00 accepted",
    "draft 9-11 0.00-1.00 stale",
    "verify 9-11 0.00-1.00 accepted",
    "verify 11-13 0.00-1.00 stale",
  ]);
});

test("a hedge's drafts are accepted where the text came to it, and do not touch the main sequence's fate", () => {
  const text = [1, 2, 5, 6, 7];
  const events: TraceEvent[] = [
    { kind: "start", ms: 0, promptTokens: 1, lanes: [{ name: "V", cached: 0 }, { name: "draft", cached: 0 }] },
    { kind: "commit", ms: 0, tokens: text.map((token, i) => ({ token, position: 1 + i, origin: "accepted" })) },
    operation("draft", 0, [9, 1, 2], [1, 2, 3], 0, { endMs: 3 }),
    operation("draft", 3, [5], [6], 3, { fork: 3 }),
    operation("draft", 3, [3], [4], 5),
    operation("draft", 4, [6], [8], 7, { fork: 3 }),
    operation("draft", 3, [5], [], 9, { operation: "keep", endMs: 9 }),
    operation("draft", 4, [6], [7], 9),
  ];
  assert.equal(barsOf(events).map(({ startMs, fate }) => `${startMs} ${fate}`), [
    "0 accepted",
    "1 accepted",
    "2 rejected",
    "3 accepted",
    "5 rejected",
    "7 rejected",
    "9 accepted",
  ]);
});

test("the bars add up to what the summary of the run says", async () => {
  await fc.assert(
    fc.asyncProperty(fc.double({ min: 0, max: 1, noNaN: true }), async (agreement) => {
      for (const run of (await simulateBenchmark({ samples: 1, tokens: 30, agreement })).runs) {
        const bars = barsOf(run.events);
        const drafting = bars.filter(({ lane, fate }) => lane === "draft" && fate !== "prefill");
        assert.is(drafting.length, run.drafted);
        // Besides those that a verification accepted: what was drafted again, or came out as the bonus did.
        assert.ok(drafting.filter(({ fate }) => fate === "accepted").length >= run.accepted);
        for (const [at, name] of (["verify", "draft"] as const).entries()) {
          const own = bars.filter(({ lane }) => lane === name);
          const busyMs = own.reduce((sum, bar) => sum + (bar.endMs - bar.startMs) * (bar.top - bar.bottom), 0);
          near(busyMs, run.lanes[at]?.busyMs ?? 0, 1e-6);
        }
      }
    }),
    { numRuns: 15 },
  );
});

test("timeline: a rectangle for each bar of the window, in its fate's colour, and none beyond it", async () => {
  const short = await simulateBenchmark({ samples: 1, tokens: 16, strategies: ["amusd"] });
  const firstMs = short.runs[0]!.events.find(({ kind }) => kind === "commit") as { ms: number };
  const bars = barsOf(short.runs[0]!.events);
  const rects = marksOf((await svgsOf(short)).timeline!, "rect");
  for (const fate of ["accepted", "rejected", "stale"] as const) {
    const after = bars.filter((bar) => bar.fate === fate && bar.startMs >= firstMs.ms).length;
    const all = bars.filter((bar) => bar.fate === fate).length;
    const drawn = rects.filter(({ fill }) => fill === FATE_COLORS[fate]).length;
    assert.ok(drawn >= after && drawn <= all && all > 0, `${fate}: ${drawn} of ${all}`);
  }
  assert.not.match(svgs.timeline!, "from the first token to the end");
  for (const long of [svgs.timeline!, (await svgsOf(await simulateBenchmark({ samples: 1, tokens: 400 }))).timeline!]) {
    const drawn = marksOf(long, "rect");
    assert.ok(drawn.length > 30 && drawn.length < 500, `${drawn.length}`);
    for (const { d } of drawn) {
      for (const [x] of pointsOf(d!.replaceAll(/h[^v]*v[^h]*h[^Z]*Z/g, ""))) assert.ok(x >= 0 && x <= WIDTH);
    }
  }
});

const unknown = (name: string): DeviceSample => ({ name, utilization: null, memoryBytes: null, powerWatts: null });

test("devices: what a machine can't tell is said and not drawn", async () => {
  const lines = (svg: string) => marksOf(svg, "line").length;
  // Per strategy: both devices' utilisation and memory, one device's power.
  assert.is(lines(svgs.devices!), 3 * 5);
  assert.is(textsOf(svgs.devices!).filter((text) => text === "draft: can't tell").length, 3);

  for (const monitor of [() => [unknown("verify"), unknown("draft")], () => []]) {
    const { devices } = await svgsOf(await simulateBenchmark({ samples: 1, monitor }));
    assert.is(lines(devices!), 0);
    assert.is(textsOf(devices!).filter((text) => text === "this machine can't tell").length, 9);
  }

  // A gap is a gap: a line with two beginnings, and nothing at zero.
  const gap = (ms: number) => [{ ...unknown("verify, draft"), utilization: ms > 300 && ms < 600 ? null : 0.5 }];
  const { devices } = await svgsOf(await simulateBenchmark({ samples: 1, monitor: gap, strategies: ["greedy"] }));
  const [line] = marksOf(devices!, "line");
  assert.is(line!.d!.match(/M/g)!.length, 2);
  assert.equal([...new Set(pointsOf(line!.d!).map(([, y]) => y))], [55]);
});

test("acceptance: a dot for each place, at the share that was accepted", () => {
  const wanted: number[] = [];
  for (const strategy of ["sd", "amusd"] as const) {
    const verifications = results.runs.filter((run) => run.strategy === strategy).flatMap(({ events }) => events)
      .filter((event) => event.kind === "operation").filter(({ accepted }) => accepted !== undefined);
    for (let place = 1; place <= 15; place++) {
      const reached = verifications.filter(({ tokens }) => tokens.length > place);
      if (reached.length) wanted.push(reached.filter(({ accepted }) => accepted! >= place).length / reached.length);
    }
  }
  const heights = marksOf(svgs.acceptance!, "symbol").map(({ transform }) => Number(transform!.match(/,([^)]*)/)![1]));
  assert.is(heights.length, wanted.length);
  for (const [i, y] of heights.entries()) near(1 - y / 300, wanted[i]!, 1e-6);
});

test("speed: means of samples, speed-ups as ratios of means, intervals about as wide as they should be", async () => {
  const many = await simulateBenchmark({ samples: 30, tokens: 24 });
  const msOf = (strategy: string) => many.runs.filter((run) => run.strategy === strategy).map((run) => run.msPerToken!);
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const { speed } = await svgsOf(many);
  const labels = textsOf(speed!).flatMap((text) => {
    const figures = text.match(/^([\d.]+) \(([\d.]+) to ([\d.]+)\)$/);
    return figures ? [figures.slice(1).map(Number)] : [];
  });
  assert.is(labels.length, 5);
  for (const [at, strategy] of ["greedy", "sd", "amusd"].entries()) {
    const ms = msOf(strategy);
    const [shown, low, high] = labels[at]!;
    near(shown!, mean(ms), 0.005);
    // The normal approximation's half width.
    const half = 1.96 * Math.sqrt(mean(ms.map((value) => (value - mean(ms)) ** 2)) / ms.length);
    near(mean(ms) - low!, half, 0.2 * half + 0.01);
    near(high! - mean(ms), half, 0.2 * half + 0.01);
    if (at > 0) near(labels[2 + at]![0]!, mean(msOf("greedy")) / mean(ms), 0.005);
  }
  // A sample's dot for each of both figures, and a mean.
  assert.is(marksOf(speed!, "symbol").length, 3 * 31 + 2 * 31);
});

test("greedy alone, one sample, and a run without tokens are drawn too", async () => {
  const alone = await simulateBenchmark({ samples: 1, strategies: ["greedy"] });
  const none = structuredClone(alone);
  const [run] = none.runs;
  Object.assign(run!, {
    tokens: [],
    text: "",
    pieces: [],
    msPerToken: null,
    events: run!.events.filter(({ kind }) => kind === "start"),
    monitor: [],
  });
  for (const one of [alone, none]) {
    for (const svg of Object.values(await svgsOf(one))) assert.not.match(svg, /NaN|undefined|Infinity/);
  }
});

test("a benchmark without runs is refused", async () => {
  await drawPictures({ ...results, runs: [] }).then(
    () => assert.unreachable(),
    (error) => assert.match(error.message, /^Cannot draw a benchmark: it has no runs yet; .*--resume$/),
  );
});

test("the typical case is the median one, of those that all strategies answered", () => {
  const cases = casesOf(results);
  const share = ({ runs }: (typeof cases)[0]) => runs.get("amusd")!.msPerToken! / runs.get("greedy")!.msPerToken!;
  const typical = typicalCase(cases, results.configuration.strategies);
  assert.is(cases.filter((one) => share(one) < share(typical)).length, 1);
  const cut = { name: "cut", runs: new Map([...typical.runs].slice(0, 1)) };
  assert.is(typicalCase([cut, cut, typical], results.configuration.strategies), typical);
});

const HOSTILE = `<script>alert(1)</script>"'&]]>\0\x1b\ud800\ufffe\n\u202e`;

test("no text can break a picture", async () => {
  const hostile = await simulateBenchmark({
    samples: 2,
    tokens: 8,
    id: () => HOSTILE,
    monitor: () => [{ ...unknown(HOSTILE), utilization: 1 }, { ...unknown(`${HOSTILE}2`), powerWatts: 3 }],
  });
  for (const svg of Object.values(await svgsOf(hostile))) {
    assert.not.match(svg, /<script|[\0-\x1f\ufffe]/);
    assert.ok(svg.isWellFormed());
    // The renderer's parser takes nothing but well-formed XML.
    assert.ok((await renderPng(standaloneSvg(svg))).length > 1000);
  }
  assert.is(printable("a\0\n\x7f\ud800"), "a\u2400\u240a\u2421\ufffd");
});

test("a PNG has twice the SVG's size, and its texts come with their fonts", async () => {
  const svg = standaloneSvg(svgs.speed!);
  const [, width, height] = svg.match(/width="(\d+)" height="(\d+)"/)!;
  const png = await renderPng(svg);
  assert.equal([...png.subarray(0, 8)], [137, 80, 78, 71, 13, 10, 26, 10]);
  const view = new DataView(png.buffer, png.byteOffset);
  assert.equal([view.getUint32(16), view.getUint32(20)], [2 * Number(width), 2 * Number(height)]);
  assert.equal(await renderPng(svg), png);

  const image = (text: string) =>
    renderPng(`<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><text y="15">${text}</text></svg>`);
  const [none, one, other] = await Promise.all(["", "ag", "ż…"].map(image));
  assert.not.equal(one, none);
  assert.not.equal(other, none);
});

test.run();
