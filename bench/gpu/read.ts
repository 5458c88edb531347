// Reads what the GPU kit measured: `deno task gpu:read results.json [results.json ...]` prints the tables for
// docs/performance.md, held against the aims, and draws rows.svg (verifications) and decode.svg beside the first file.

import path from "node:path";
import { drawSvg, standaloneSvg, WIDTH } from "../../src/benchmark/viz/draw.ts";
import { markdownTable } from "../../src/util/text-table.ts";
import { ratio } from "../../src/util/numbers.ts";
import { quit } from "./quit.ts";
import { cellOf, type Figure, type GpuResults } from "./results.ts";

/** One aim: what it is held against is worked out of the figures; null where they are missing. */
interface Aim {
  readonly what: string;
  readonly aim: string;
  readonly value: number | null;
  readonly isMet: (value: number) => boolean;
}

function parse(text: string, file: string): GpuResults {
  let results: Partial<GpuResults> | null;
  try {
    results = JSON.parse(text);
  } catch {
    throw new SyntaxError(`Cannot read "${file}": it is no JSON; give the results.json of a run of the GPU kit`);
  }
  if (results?.format !== "amusd gpu" || results.version !== 1 || !Array.isArray(results.parts)) {
    throw new TypeError(`Cannot read "${file}": it is not of the GPU kit; give the results.json of a run of it`);
  }
  return results as GpuResults;
}

/** The figures of a part by what they tell of; several of one name are rounds. */
function figuresOf({ parts }: GpuResults, part: string): ReadonlyMap<string, readonly Figure[]> {
  const figures = new Map<string, Figure[]>();
  for (const figure of parts.find(({ name }) => name === part)?.figures ?? []) {
    figures.set(figure.what, [...figures.get(figure.what) ?? [], figure]);
  }
  return figures;
}

/** The least of a number over the rounds, or the largest; null where there is none. */
function best(figures: readonly Figure[] | undefined, key: string, of: "least" | "most" = "least"): number | null {
  const values = (figures ?? []).map((figure) => figure[key]).filter((value) => typeof value === "number");
  if (values.length === 0) return null;
  return of === "least" ? Math.min(...values) : Math.max(...values);
}

const MODELS = ["8B Q4_K_M", "8B Q8_0", "8B F16", "1B Q4_K_M", "1B Q8_0", "1B F16"];

function modelTable(results: GpuResults): string[][] {
  const shapes = figuresOf(results, "shapes");
  const number = (value: number | null, digits = 2) => value === null ? "-" : value.toFixed(digits);
  const percent = (value: number | null) => value === null ? "-" : `${(100 * value).toFixed(0)} %`;
  const positions = [...shapes.keys()].flatMap((what) => /^8B Q4_K_M: decode at (\d+)$/.exec(what)?.[1] ?? []);
  const prefills = [...shapes.keys()].flatMap((what) => /^8B Q4_K_M: prefill of (\d+)$/.exec(what)?.[1] ?? []);
  return [
    [
      "model",
      ...positions.flatMap((position) => [`decode at ${position}, ms`, "of bandwidth", "llama.cpp, ms"]),
      "8 rows to 1",
      ...prefills.flatMap((count) => [`prefill ${count}, tokens/s`, "llama.cpp"]),
      "equal bits",
    ],
    ...MODELS.filter((name) => shapes.has(`${name}: loaded`)).map((name) => [
      name,
      ...positions.flatMap((position) => {
        const ours = shapes.get(`${name}: decode at ${position}`);
        const peer = shapes.get(`${name}: llama.cpp decodes at ${position}`);
        return [number(best(ours, "ms")), percent(best(ours, "ofBandwidth", "most")), number(best(peer, "ms"))];
      }),
      number(best(shapes.get(`${name}: verification of 8`), "toOneRow")),
      ...prefills.flatMap((count) => [
        number(best(shapes.get(`${name}: prefill of ${count}`), "tokensPerS", "most"), 0),
        number(best(shapes.get(`${name}: llama.cpp prefills ${count}`), "tokensPerS", "most"), 0),
      ]),
      { true: "yes", false: "no" }[`${shapes.get(`${name}: same bits for 1 to 16 rows`)?.[0]?.holds}`] ?? "-",
    ]),
  ];
}

/** The aims for an H100 and its like, of the issue that asked for the kit. */
function aimsOf(results: GpuResults): Aim[] {
  const shapes = figuresOf(results, "shapes");
  const decode = (model: string) => shapes.get(`${model} Q4_K_M: decode at 256`);
  const prefill = best(shapes.get("8B Q4_K_M: prefill of 512"), "tokensPerS", "most");
  const peerPrefill = best(shapes.get("8B Q4_K_M: llama.cpp prefills 512"), "tokensPerS", "most");
  const over = (a: number | null, b: number | null) => a === null || b === null ? null : ratio(a, b);
  const atLeast = (aim: number) => (value: number) => value >= aim;
  const atMost = (aim: number) => (value: number) => value <= aim;
  return [
    {
      what: "8B decode, share of bandwidth",
      aim: "0.65 or more",
      value: best(decode("8B"), "ofBandwidth", "most"),
      isMet: atLeast(0.65),
    },
    {
      what: "1B decode, share of bandwidth",
      aim: "0.40 or more",
      value: best(decode("1B"), "ofBandwidth", "most"),
      isMet: atLeast(0.4),
    },
    {
      what: "8B verification of 8 rows to 1",
      aim: "1.3 or less",
      value: best(shapes.get("8B Q4_K_M: verification of 8"), "toOneRow"),
      isMet: atMost(1.3),
    },
    {
      what: "8B prefill of 512 over llama.cpp's",
      aim: "0.5 or more",
      value: over(prefill, peerPrefill),
      isMet: atLeast(0.5),
    },
    {
      what: "8B dispatches a pass",
      aim: "100 or fewer",
      value: best(shapes.get("8B Q4_K_M: loaded"), "dispatches"),
      isMet: atMost(100),
    },
    {
      what: "8B decode speed over llama.cpp's",
      aim: "0.9 or more",
      value: over(best(shapes.get("8B Q4_K_M: llama.cpp decodes at 256"), "ms"), best(decode("8B"), "ms")),
      isMet: atLeast(0.9),
    },
  ];
}

function strategyTable(results: GpuResults): string[][] {
  const byName = new Map<string, Figure[]>();
  for (const [what, figures] of figuresOf(results, "strategies")) {
    const name = /^text \d+: (.+)$/.exec(what)?.[1];
    if (name !== undefined) byName.set(name, [...byName.get(name) ?? [], ...figures]);
  }
  const mean = (figures: readonly Figure[], key: string) =>
    figures.reduce((sum, figure) => sum + Number(figure[key] ?? NaN), 0) / figures.length;
  const greedyMs = mean(byName.get("greedy") ?? [], "msPerToken");
  return [
    ["strategy", "ms/token", "over greedy", "tokens a verification", "achieved over simulated"],
    ...[...byName].map(([name, figures]) => [
      name,
      mean(figures, "msPerToken").toFixed(2),
      (greedyMs / mean(figures, "msPerToken")).toFixed(2),
      mean(figures, "tokensPerVerification").toFixed(2),
      mean(figures, "achieved").toFixed(2),
    ]),
  ];
}

function report(results: GpuResults): string {
  const adapter = figuresOf(results, "machine").get("adapter 0")?.[0];
  const lines = [
    `## ${adapter ? `${adapter.name} (${adapter.driver})` : "An unknown device"}, ${results.started.slice(0, 10)}`,
    "",
    ...results.scale === "tiny" ? ["Scale tiny: the shapes are toys, and so are the figures.", ""] : [],
    markdownTable([
      ["part", "state", "seconds", "figures"],
      ...results.parts.map(({ name, status, seconds, figures }) => [
        name,
        status,
        seconds.toFixed(0),
        `${figures.length}`,
      ]),
    ]),
  ];
  const section = (title: string, rows: string[][]) => {
    if (rows.length > 1) lines.push("", `### ${title}`, "", markdownTable(rows));
  };
  section("Aims", [
    ["aim", "wanted", "measured", ""],
    ...aimsOf(results).map(({ what, aim, value, isMet }) => [
      what,
      aim,
      value === null ? "-" : cellOf(value),
      value === null ? "not measured" : isMet(value) ? "met" : "missed",
    ]),
  ]);
  section("Models", modelTable(results));
  section("Strategies, 1B + 8B, two devices on one card, a played acceptance", strategyTable(results));
  return lines.join("\n");
}

interface Point {
  readonly series: string;
  readonly x: number;
  readonly y: number;
}

/** Lines of points, one for each series. */
async function linesSvg(title: string, points: readonly Point[], xTitle: string, yTitle: string): Promise<string> {
  const svg = await drawSvg({
    title,
    subtitle: ["Random weights in the shapes of Llama 3.2 1B and 3.1 8B. The least of some runs."],
    spec: {
      width: WIDTH,
      height: 320,
      data: { values: [...points] },
      mark: { type: "line", point: true },
      encoding: {
        x: { field: "x", type: "quantitative", title: xTitle },
        y: { field: "y", type: "quantitative", title: yTitle },
        color: { field: "series", type: "nominal", legend: {} },
      },
    },
  });
  return standaloneSvg(svg);
}

/** Both pictures by their file names: verifications by rows, and decode steps by position. */
async function picturesOf(results: GpuResults): Promise<Readonly<Record<string, string>>> {
  const shapes = figuresOf(results, "shapes");
  const rows = [...shapes].flatMap(([what, figures]): Point[] => {
    const [, series, x] = /^(.+): verification of (\d+)$/.exec(what) ?? [];
    const y = best(figures, "toOneRow");
    return series === undefined || y === null ? [] : [{ series, x: Number(x), y }];
  });
  const decode = [...shapes].flatMap(([what, figures]): Point[] => {
    const [, model, who, x] = /^(.+): (decode|llama\.cpp decodes) at (\d+)$/.exec(what) ?? [];
    const y = best(figures, "ms");
    if (model === undefined || y === null) return [];
    return [{ series: `${model}${who === "decode" ? "" : ", llama.cpp"}`, x: Number(x), y }];
  });
  return {
    "rows.svg": await linesSvg("What more rows cost", rows, "rows of a verification", "times as long as one row"),
    "decode.svg": await linesSvg("What a decode step takes", decode, "position", "ms"),
  };
}

async function read(files: readonly string[]): Promise<void> {
  if (files.length === 0) throw new TypeError("Cannot read nothing: give the results.json of a run of the GPU kit");
  for (const [i, file] of files.entries()) {
    const results = parse(await Deno.readTextFile(file), file);
    console.log(`${i > 0 ? "\n" : ""}${report(results)}`);
    if (i > 0) continue;
    for (const [name, svg] of Object.entries(await picturesOf(results))) {
      await Deno.writeTextFile(path.join(path.dirname(file), name), svg);
    }
  }
}

await read(Deno.args).catch(quit);
