import type { StrategyName } from "../../engine/generation-run.ts";
import type { StrategyFigure } from "../speed-figures.ts";
import { type Drawing, type Panel, WIDTH } from "./draw.ts";
import { STRATEGY_COLORS } from "./palette.ts";

const ROW_HEIGHT = 64;
const BETWEEN = 80;

/** Each strategy's time for a token, and how many times as fast as `baseline` it is. */
export function speedPicture(
  msPerToken: readonly StrategyFigure[],
  speedups: readonly StrategyFigure[],
  baseline: StrategyName,
): Drawing {
  const fastest = speedups.toSorted((a, b) => b.estimate.mean - a.estimate.mean)[0];
  const strategies = msPerToken.map(({ strategy }) => strategy);
  const panels = [panel(strategies, msPerToken, "time per token (ms)", 0)];
  if (speedups.length) panels.push(panel(strategies, speedups, `times as fast as ${baseline}`, 1));
  return {
    title: fastest
      ? `${fastest.strategy} writes ${fastest.estimate.mean.toFixed(2)} times as fast as ${baseline}`
      : "What a token takes by each strategy",
    subtitle: [
      "Large dot and line: the mean over the samples with its 95 % bootstrap interval. Small dots: the samples.",
    ],
    spec: { hconcat: panels, spacing: BETWEEN, resolve: { scale: { color: "independent" } } },
  };
}

/** A panel with a row a strategy. The axis reaches `reference` at least, which is marked if it is not 0. */
function panel(
  strategies: readonly StrategyName[],
  figures: readonly StrategyFigure[],
  title: string,
  reference: number,
): Panel {
  const reached = [reference, ...figures.flatMap(({ estimate, cases }) => [estimate.low, estimate.high, ...cases])];
  const [least, most] = [Math.min(...reached), Math.max(...reached)];
  const margin = 0.06 * (most - least) || 0.1;
  const middle = (least + most) / 2;

  const x = (field: string) => ({
    field,
    type: "quantitative" as const,
    title,
    scale: { domain: [least === 0 ? 0 : least - margin, most + margin], nice: false, zero: false },
    axis: { tickCount: 6 },
  });
  const encoding = {
    y: {
      field: "strategy",
      type: "nominal" as const,
      title: null,
      scale: { domain: [...strategies] },
      axis: { domain: false, ticks: false, labelFontSize: 13, labelPadding: 8 },
    },
    color: {
      field: "strategy",
      type: "nominal" as const,
      scale: { domain: [...strategies], range: strategies.map((strategy) => STRATEGY_COLORS[strategy]) },
      legend: null,
    },
  };
  const values = figures.map(({ strategy, estimate: { mean, low, high } }) => ({
    strategy,
    mean,
    low,
    high,
    text: mean.toFixed(2) + (low < high ? ` (${low.toFixed(2)} to ${high.toFixed(2)})` : ""),
    align: mean > middle ? "right" : "left",
  }));
  const cases = figures.flatMap(({ strategy, cases }) => cases.map((value) => ({ strategy, value })));
  return {
    width: (WIDTH - BETWEEN) / 2,
    height: strategies.length * ROW_HEIGHT,
    layer: [
      {
        data: { values: reference === 0 ? [] : [{ reference }] },
        mark: { type: "rule", strokeDash: [4, 3], opacity: 0.7, color: "currentColor" },
        encoding: { x: x("reference") },
      },
      {
        data: { values: cases },
        mark: { type: "point", filled: true, size: 28, opacity: 0.35, yOffset: 12 },
        encoding: { x: x("value"), ...encoding },
      },
      {
        data: { values },
        mark: { type: "rule", strokeWidth: 3.5 },
        encoding: { x: x("low"), x2: { field: "high" }, ...encoding },
      },
      {
        data: { values },
        mark: { type: "point", filled: true, size: 130, opacity: 1 },
        encoding: { x: x("mean"), ...encoding },
      },
      {
        data: { values },
        mark: { type: "text", dy: -15, align: { expr: "datum.align" } },
        encoding: { x: x("mean"), y: encoding.y, text: { field: "text" } },
      },
    ],
  };
}
