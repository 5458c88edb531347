import type { StrategyName } from "../../engine/generation-run.ts";
import type { BenchmarkRun } from "../results.ts";
import { type Drawing, WIDTH } from "./draw.ts";
import { STRATEGY_COLORS } from "./palette.ts";
import { type Case, spanOf } from "./runs.ts";

/** The number of tokens that each strategy had written by time: `typical` in bold, the other cases thin. */
export function tokensOverTime(
  cases: readonly Case[],
  typical: Case,
  strategies: readonly StrategyName[],
): Drawing {
  const shown = strategies.filter((strategy) => typical.runs.has(strategy));
  const labels = shown.map((strategy) => `${strategy}: ${describe(typical.runs.get(strategy)!)}`);
  const points = cases.flatMap((one, index) =>
    shown.flatMap((strategy, at) => {
      const run = one.runs.get(strategy);
      return run ? curve(run).map((point) => ({ ...point, label: labels[at]!, case: index })) : [];
    })
  );
  const at = cases.indexOf(typical);
  const line = (bold: boolean) => ({
    transform: [{ filter: { field: "case", ...(bold ? { equal: at } : { oneOf: others(cases, at) }) } }],
    mark: {
      type: "line",
      interpolate: "step-after",
      strokeWidth: bold ? 2.6 : 1,
      opacity: bold ? 1 : 0.3,
    } as const,
  });
  const rest = cases.length - 1;
  return {
    title: "How fast each strategy writes the same text",
    subtitle: [
      `Bold: ${typical.name}` + (rest ? `, of median speed-up; thin: the other ${rest}` : "") +
      ". Time runs from the prompt on, so prefill is in it.",
    ],
    spec: {
      width: WIDTH,
      height: 380,
      data: { values: points },
      encoding: {
        x: {
          field: "seconds",
          type: "quantitative",
          title: "time since the run began (s)",
          axis: { grid: false, tickCount: 10 },
        },
        y: {
          field: "tokens",
          type: "quantitative",
          title: "tokens written",
          scale: { nice: false },
          axis: { tickMinStep: 1, tickCount: 8, format: "d" },
        },
        detail: { field: "case", type: "nominal" },
        color: {
          field: "label",
          type: "nominal",
          scale: { domain: labels, range: shown.map((strategy) => STRATEGY_COLORS[strategy]) },
          legend: { symbolStrokeWidth: 3, symbolSize: 250, symbolType: "stroke", symbolOpacity: 1 },
        },
      },
      layer: rest ? [line(false), line(true)] : [line(true)],
    },
  };
}

function others(cases: readonly Case[], typical: number): number[] {
  return [...cases.keys()].filter((index) => index !== typical);
}

function curve(run: BenchmarkRun): { readonly seconds: number; readonly tokens: number }[] {
  const { startMs } = spanOf(run);
  const points = [{ seconds: 0, tokens: 0 }];
  for (const event of run.events) {
    if (event.kind !== "commit") continue;
    points.push({ seconds: (event.ms - startMs) / 1000, tokens: points.at(-1)!.tokens + event.tokens.length });
  }
  return points;
}

function describe(run: BenchmarkRun): string {
  const { seconds } = curve(run).at(-1)!;
  const pace = run.msPerToken === null ? "" : `, ${run.msPerToken.toFixed(1)} ms/token`;
  return `${seconds.toFixed(2)} s${pace}`;
}
