import type { StrategyName } from "../../engine/generation-run.ts";
import { median } from "../../util/numbers.ts";
import type { BenchmarkRun } from "../results.ts";
import { type Drawing, WIDTH } from "./draw.ts";
import { type Bar, barsOf } from "./fates.ts";
import { type Fate, FATE_COLORS } from "./palette.ts";
import { type Case, spanOf } from "./runs.ts";

/** The width of the median operation, in pixels. A run that has no room at this scale is cut. */
const BAR_WIDTH = 11;
/** In pixels. */
const ROW_HEIGHT = 40;
/** The share of a row's height that is left free between two lanes. */
const GAP = 0.3;
/** The share of the picture that lies before the first token, at most. */
const BEFORE = 0.12;

const FATES: Readonly<Record<Fate, string>> = {
  accepted: "accepted",
  rejected: "rejected",
  stale: "stale: of no use when it was done",
  alone: "verify lane alone",
  prefill: "prefill",
};

interface Row {
  readonly label: string;
  /** The place of the row's lower edge, in rows from the picture's upper edge. */
  readonly y: number;
  readonly bars: readonly Bar[];
}

/** A timeline of both lanes after the first token, strategy by strategy, coloured by what became of the work. */
export function laneTimeline({ name, runs }: Case, strategies: readonly StrategyName[]): Drawing {
  const shown = strategies.flatMap((strategy) => {
    const run = runs.get(strategy);
    return run ? [alignedRun(strategy, run)] : [];
  });
  const longestMs = Math.max(1, ...shown.map(({ endMs }) => endMs));
  const windowMs = Math.min(longestMs, WIDTH / BAR_WIDTH * medianMs(shown.flatMap(({ bars }) => bars)));
  const fromMs = Math.max(-BEFORE * windowMs, Math.min(0, ...shown.flatMap(({ bars }) => bars.map((b) => b.startMs))));

  const rows: Row[] = [];
  const commits: { ms: number; y: number; text: string }[] = [];
  for (const run of shown) {
    const y = rows.length ? rows.at(-1)!.y + 1.35 : 1;
    rows.push({ label: `${run.strategy}  verify`, y, bars: run.bars.filter(({ lane }) => lane === "verify") });
    for (const { ms, count } of run.commits) {
      if (ms >= fromMs && ms <= windowMs) commits.push({ ms, y: y - (1 - GAP), text: `${count}` });
    }
    const drafting = run.bars.filter(({ lane }) => lane === "draft");
    if (drafting.length) rows.push({ label: "draft", y: y + 1, bars: drafting });
  }
  const height = rows.at(-1)!.y;
  const pixelMs = (windowMs - fromMs) / WIDTH;
  const values = rows.flatMap(({ y, bars }) =>
    bars.filter(({ startMs, endMs }) => endMs > fromMs && startMs < windowMs).map((bar) => ({
      startMs: Math.max(bar.startMs, fromMs),
      endMs: Math.min(bar.endMs - Math.min(pixelMs, (bar.endMs - bar.startMs) / 4), windowMs),
      bottom: y - (1 - GAP) * bar.bottom,
      top: y - (1 - GAP) * bar.top,
      fate: FATES[bar.fate],
    }))
  );
  const labels = rows.map(({ label, y }) => ({ label, y: y - (1 - GAP) / 2 }));
  const cut = windowMs < longestMs
    ? `the first ${windowMs.toFixed(0)} ms after the first token, of ${longestMs.toFixed(0)}`
    : "from the first token to the end";
  const y = (field: string) => ({
    field,
    type: "quantitative" as const,
    scale: { domain: [height, 0], nice: false, zero: false },
    axis: null,
  });
  const used = (Object.keys(FATES) as Fate[]).filter((fate) => values.some((value) => value.fate === FATES[fate]));
  return {
    title: "What both lanes do, and what becomes of it",
    subtitle: [
      `${name}: ${cut}. Above a verification: the tokens it wrote.`,
      "A verification is coloured from below by the share of its drafts that it accepted, a draft token by token.",
    ],
    spec: {
      width: WIDTH,
      height: height * ROW_HEIGHT,
      layer: [
        {
          data: { values },
          mark: { type: "rect" },
          encoding: {
            x: {
              field: "startMs",
              type: "quantitative",
              title: "time since the first token (ms)",
              scale: { domain: [fromMs, windowMs], nice: false },
              axis: { grid: false, tickCount: 12, offset: 6 },
            },
            x2: { field: "endMs" },
            y: y("top"),
            y2: { field: "bottom" },
            color: {
              field: "fate",
              type: "nominal",
              scale: { domain: used.map((fate) => FATES[fate]), range: used.map((fate) => FATE_COLORS[fate]) },
              legend: { symbolType: "square", symbolSize: 150 },
            },
          },
        },
        {
          data: { values: commits },
          mark: { type: "text", baseline: "bottom", align: "right", dy: -1, fontSize: 10, opacity: 0.8 },
          encoding: { x: { field: "ms", type: "quantitative" }, y: y("y"), text: { field: "text" } },
        },
        {
          data: { values: labels },
          mark: { type: "text", align: "right", baseline: "middle", dx: -8, fontSize: 12.5 },
          encoding: { x: { value: 0 }, y: y("y"), text: { field: "label" } },
        },
      ],
    },
  };
}

interface AlignedRun {
  readonly strategy: StrategyName;
  readonly bars: readonly Bar[];
  readonly commits: readonly { readonly ms: number; readonly count: number }[];
  readonly endMs: number;
}

/** The run with its first commit at 0 ms, so that the strategies' lanes stand below each other. */
function alignedRun(strategy: StrategyName, run: BenchmarkRun): AlignedRun {
  const { startMs, endMs } = spanOf(run);
  const commits = run.events.filter((event) => event.kind === "commit");
  const zeroMs = commits[0]?.ms ?? startMs;
  return {
    strategy,
    bars: barsOf(run.events).map((bar) => ({ ...bar, startMs: bar.startMs - zeroMs, endMs: bar.endMs - zeroMs })),
    commits: commits.map(({ ms, tokens }) => ({ ms: ms - zeroMs, count: tokens.length })),
    endMs: endMs - zeroMs,
  };
}

/** The median duration of the bars after the first token; 1 if there are none. */
function medianMs(bars: readonly Bar[]): number {
  const durations = bars.filter(({ startMs, fate }) => startMs >= 0 && fate !== "prefill")
    .map(({ startMs, endMs }) => endMs - startMs).filter((ms) => ms > 0);
  return median(durations) ?? 1;
}
