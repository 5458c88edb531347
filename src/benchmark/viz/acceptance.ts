import type { StrategyName } from "../../engine/generation-run.ts";
import { acceptanceByPosition } from "../statistics.ts";
import { type Drawing, WIDTH } from "./draw.ts";
import { STRATEGY_COLORS } from "./palette.ts";
import type { Case } from "./runs.ts";

/** The share of drafts that were accepted by their place in the verification: a line a strategy. */
export function acceptancePicture(cases: readonly Case[], strategies: readonly StrategyName[]): Drawing {
  const values = strategies.flatMap((strategy) =>
    acceptanceByPosition(cases.flatMap(({ runs }) => runs.get(strategy) ?? [])).map(({ verified, accepted }, at) => ({
      strategy,
      position: at + 1,
      share: 100 * accepted / verified,
      verified,
    }))
  );
  const drafting = strategies.filter((name) => values.some(({ strategy }) => strategy === name));
  const most = Math.max(1, ...values.map(({ verified }) => verified));
  const positions = Math.max(1, ...values.map(({ position }) => position));
  return {
    title: "How often a drafted token is accepted, by its place in the window",
    subtitle: [
      drafting.length
        ? "Of all tokens that were verified in this place; those after a rejected one count as rejected."
        : "No strategy of this benchmark drafts.",
    ],
    spec: {
      width: WIDTH - 100,
      height: 300,
      data: { values },
      encoding: {
        x: {
          field: "position",
          type: "quantitative",
          title: "place in the window (1: the first drafted token)",
          scale: { domain: [0.7, positions + 0.3], nice: false, zero: false },
          axis: { values: Array.from({ length: positions }, (_, at) => at + 1), format: "d", grid: false },
        },
        y: {
          field: "share",
          type: "quantitative",
          title: "accepted (%)",
          scale: { domain: [0, 100] },
        },
        color: {
          field: "strategy",
          type: "nominal",
          scale: { domain: drafting, range: drafting.map((strategy) => STRATEGY_COLORS[strategy]) },
          legend: { symbolType: "circle", symbolSize: 120, symbolOpacity: 1 },
        },
      },
      layer: [
        { mark: { type: "line", strokeWidth: 2.2 } },
        {
          mark: { type: "point", filled: true, opacity: 1 },
          encoding: {
            size: {
              field: "verified",
              type: "quantitative",
              scale: { type: "sqrt", domain: [1, most], range: [20, 320] },
              legend: {
                orient: "right",
                title: "tokens verified",
                values: [1, 10, 100, 1000, 10_000].filter((count) => count <= most),
                symbolFillColor: "currentColor",
                symbolStrokeColor: "transparent",
                symbolOpacity: 0.5,
              },
            },
          },
        },
      ],
    },
  };
}
