import type { Results } from "../results.ts";
import { acceptancePicture } from "./acceptance.ts";
import { deviceUse } from "./device-use.ts";
import { type Drawing, drawSvg } from "./draw.ts";
import { laneTimeline } from "./lane-timeline.ts";
import { casesOf, typicalCase } from "./runs.ts";
import { speedFigures } from "../speed-figures.ts";
import { speedPicture } from "./speed.ts";
import { tokensOverTime } from "./tokens-over-time.ts";

/** The strategy that the others are compared with: the verify model alone. */
const BASELINE = "greedy";

export const PICTURE_NAMES = ["tokens", "timeline", "devices", "acceptance", "speed"] as const;

/** A picture of a benchmark. */
export interface Picture {
  readonly name: (typeof PICTURE_NAMES)[number];
  /** SVG as `drawSvg` makes it, without a background. */
  readonly svg: string;
}

/** All pictures of a benchmark, in the order of their names. Throws a RangeError where no run has ended yet. */
export async function drawPictures(results: Results): Promise<Picture[]> {
  const { strategies } = results.configuration;
  const cases = casesOf(results);
  if (!cases.length) throw new RangeError("Cannot draw a benchmark: it has no runs yet; let it go on with --resume");
  const typical = typicalCase(cases, strategies);
  const { msPerToken, speedups } = speedFigures(results, BASELINE);
  const drawings: Record<Picture["name"], Drawing> = {
    tokens: tokensOverTime(cases, typical, strategies),
    timeline: laneTimeline(typical, strategies),
    devices: deviceUse(cases, strategies),
    acceptance: acceptancePicture(cases, strategies),
    speed: speedPicture(msPerToken, speedups, BASELINE),
  };
  return await Promise.all(PICTURE_NAMES.map(async (name) => ({ name, svg: await drawSvg(drawings[name]) })));
}
