import type { StrategyName } from "../../engine/generation-run.ts";
import { groupBy } from "../../util/group-by.ts";
import { mean } from "../../util/numbers.ts";
import type { BenchmarkRun, DeviceSample } from "../results.ts";
import { type Drawing, type Panel, WIDTH } from "./draw.ts";
import { STRATEGY_COLORS } from "./palette.ts";
import { type Case, printable, spanOf } from "./runs.ts";

/** A series of more points is drawn as the means of this many equal pieces. */
const MOST_POINTS = 200;
/** In a series of at most this many points each is a dot: one between unknown points would be no line. */
const FEW_POINTS = 80;
/** In pixels. */
const PANEL_HEIGHT = 110;

interface Quantity {
  readonly title: string;
  readonly of: (sample: DeviceSample) => number | null;
  /** The axis reaches at least this value. */
  readonly most: number;
}

const QUANTITIES: readonly Quantity[] = [
  {
    title: "busy (%)",
    of: ({ utilization }) => utilization === null ? null : 100 * utilization,
    most: 100,
  },
  {
    title: "memory (MiB)",
    of: ({ memoryBytes }) => memoryBytes === null ? null : memoryBytes / 2 ** 20,
    most: 0,
  },
  { title: "power (W)", of: ({ powerWatts }) => powerWatts, most: 0 },
];

interface Point {
  readonly device: string;
  readonly seconds: number;
  /** Null breaks the line. */
  readonly value: number | null;
}

/** The devices' use while each strategy ran: a column a strategy, a row a quantity, a line a device. */
export function deviceUse(cases: readonly Case[], strategies: readonly StrategyName[]): Drawing {
  const columns = strategies.map((strategy) => ({
    strategy,
    samples: samplesOf(cases.flatMap(({ runs }) => runs.get(strategy) ?? [])),
  }));
  const devices = [...new Set(columns.flatMap(({ samples }) => samples.map(({ device }) => device)))];
  const names = devices.map(printable);
  const mostSeconds = Math.max(1e-3, ...columns.flatMap(({ samples }) => samples.map(({ seconds }) => seconds)));
  const rows = QUANTITIES.map((quantity) => {
    const series = columns.map(({ samples }) => pointsOf(samples, quantity));
    const most = Math.max(quantity.most, ...series.flat().map(({ value }) => 1.05 * (value ?? 0)));
    return { quantity, series, most: most || 1, known: series.flat().some(isKnown) };
  });

  const width = (WIDTH - 60 * (columns.length - 1)) / columns.length;
  const panels = rows.flatMap(({ quantity, series, most, known }, row) =>
    columns.map(({ strategy }, column): Panel => {
      const points = series[column]!;
      const missing = devices.filter((device) => !points.some((point) => point.device === device && isKnown(point)));
      const all = missing.length === devices.length;
      const note = all
        ? "this machine can't tell"
        : missing.length
        ? `${missing.map(printable).join(", ")}: can't tell`
        : "";
      return {
        width,
        height: PANEL_HEIGHT,
        ...(row === 0 ? { title: { text: strategy, fontSize: 13, offset: 6 } } : {}),
        layer: [
          {
            data: {
              values: points.filter(({ device }) => !missing.includes(device))
                .map((point) => ({ ...point, device: printable(point.device) })),
            },
            mark: {
              type: "line",
              color: STRATEGY_COLORS[strategy],
              strokeWidth: 1.6,
              point: points.length <= FEW_POINTS ? { color: STRATEGY_COLORS[strategy], size: 14 } : false,
            },
            encoding: {
              x: {
                field: "seconds",
                type: "quantitative",
                title: row === rows.length - 1 ? "time in this strategy's runs (s)" : null,
                scale: { domain: [0, mostSeconds], nice: false },
                axis: { grid: false, tickCount: 5, labels: row === rows.length - 1 },
              },
              y: {
                field: "value",
                type: "quantitative",
                title: column === 0 ? quantity.title : null,
                scale: { domain: [0, most] },
                axis: { tickCount: 4, labels: known, ticks: known, grid: known },
              },
              strokeDash: {
                field: "device",
                type: "nominal",
                scale: { domain: names, range: names.map((_, at) => at === 0 ? [1, 0] : [4, 3]) },
                legend: devices.length > 1 ? { symbolType: "stroke", symbolSize: 500, symbolStrokeWidth: 1.6 } : null,
              },
            },
          },
          {
            data: { values: note ? [{ note }] : [] },
            mark: { type: "text", opacity: 0.75, align: all ? "center" : "right", baseline: "middle" },
            encoding: {
              x: { value: all ? width / 2 : width },
              y: { value: all ? PANEL_HEIGHT / 2 : -9 },
              text: { field: "note" },
            },
          },
        ],
      };
    })
  );
  return {
    title: "What the devices do while each strategy runs",
    subtitle: [
      rows.some(({ known }) => known)
        ? "All runs of a strategy, one after the other; a line a device. What the machine can't tell is not drawn."
        : "The monitor saw nothing: this machine tells neither utilisation nor memory nor power.",
    ],
    spec: {
      concat: panels,
      columns: columns.length,
      spacing: { row: 22, column: 60 },
      resolve: { legend: { strokeDash: "shared" }, scale: { strokeDash: "shared" } },
    },
  };
}

interface TimedSample {
  readonly device: string;
  /** Time since the first run began, the runs being put one after the other. */
  readonly seconds: number;
  readonly sample: DeviceSample;
}

function samplesOf(runs: readonly BenchmarkRun[]): TimedSample[] {
  const samples: TimedSample[] = [];
  let beforeMs = 0;
  for (const run of runs) {
    const { startMs, endMs } = spanOf(run);
    for (const { ms, devices } of run.monitor) {
      if (ms < startMs || ms > endMs) continue;
      const seconds = (beforeMs + ms - startMs) / 1000;
      samples.push(...devices.map((sample) => ({ device: sample.name, seconds, sample })));
    }
    beforeMs += endMs - startMs;
  }
  return samples;
}

/** Each device's points in order of time. */
function pointsOf(samples: readonly TimedSample[], { of }: Quantity): Point[] {
  return groupBy(samples, ({ device }) => device).flatMap((own) =>
    thinOut(own.map(({ device, seconds, sample }) => ({ device, seconds, value: of(sample) })))
  );
}

function thinOut(points: readonly Point[]): Point[] {
  if (points.length <= MOST_POINTS) return [...points];
  const size = points.length / MOST_POINTS;
  return Array.from({ length: MOST_POINTS }, (_, i) => {
    const piece = points.slice(Math.floor(i * size), Math.floor((i + 1) * size));
    const known = piece.filter(isKnown);
    return {
      device: piece[0]!.device,
      seconds: mean(piece.map(({ seconds }) => seconds)),
      value: known.length ? mean(known.map(({ value }) => value)) : null,
    };
  });
}

function isKnown(point: Point): point is Point & { readonly value: number } {
  return point.value !== null;
}
