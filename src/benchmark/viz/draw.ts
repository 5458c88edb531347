import * as vega from "vega";
import { compile, type Config, type TopLevelSpec } from "vega-lite";

/** A picture to draw: the text above it, and the rest of its Vega-Lite specification. */
export interface Drawing {
  /** Says what the picture shows. */
  readonly title: string;
  /** Lines that say whose figures these are, and how to read them. */
  readonly subtitle: readonly string[];
  readonly spec: DistributiveOmit<TopLevelSpec, "title">;
}

/** One of several views that stand beside or below each other. */
export type Panel = Extract<TopLevelSpec, { hconcat: unknown }>["hconcat"][number];

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

/** The width of every picture in pixels, the axes' labels aside. */
export const WIDTH = 860;

/** The font of pages and PNGs alike: png.ts brings it along. */
const FONT = "Inter, system-ui, sans-serif";
/** In em. Without a canvas Vega takes each character for 0.8 em wide, which leaves gaps. */
const MEAN_CHARACTER_WIDTH = 0.56;
// Vega exports `textMetrics`, but its types don't have it.
const { textMetrics } = vega as unknown as {
  textMetrics: { width: (item: { readonly fontSize?: number }, text: unknown) => number };
};
textMetrics.width = ({ fontSize = 11 }, text) => MEAN_CHARACTER_WIDTH * fontSize * String(text ?? "").length;

const INK = "currentColor";
const CONFIG: Config = {
  aria: false,
  background: "transparent",
  padding: 16,
  font: FONT,
  view: { stroke: null },
  title: {
    anchor: "start",
    frame: "group",
    color: INK,
    fontSize: 17,
    fontWeight: 600,
    subtitleColor: INK,
    subtitleFontSize: 12.5,
    subtitlePadding: 6,
    subtitleLineHeight: 17,
    offset: 14,
  },
  axis: {
    labelColor: INK,
    labelFontSize: 12,
    titleColor: INK,
    titleFontSize: 12.5,
    titleFontWeight: 400,
    titlePadding: 10,
    domainColor: INK,
    domainOpacity: 0.4,
    tickColor: INK,
    tickOpacity: 0.4,
    gridColor: INK,
    gridOpacity: 0.12,
  },
  legend: {
    orient: "top",
    title: null,
    labelColor: INK,
    labelFontSize: 12.5,
    labelLimit: 400,
    titleColor: INK,
    titleFontSize: 12.5,
    titleFontWeight: 400,
    columnPadding: 22,
    offset: 10,
  },
  text: { color: INK, fontSize: 12 },
};

/**
 * An SVG of a drawing: equal ones for equal drawings. It has no background, and its texts take the colour of what is
 * around it, so that it can stand in a page.
 */
export async function drawSvg({ title, subtitle, spec }: Drawing): Promise<string> {
  const { spec: compiled } = compile({ ...spec, title: { text: title, subtitle: [...subtitle] } }, { config: CONFIG });
  const view = new vega.View(vega.parse(compiled), { renderer: "none" });
  const svg = await view.toSVG();
  view.finalize();
  return svg.replace(/^<svg /, () => `<svg role="img" aria-label="${escapeMarkup(title)}" `);
}

/** The SVG as a file of its own, on a white background. */
export function standaloneSvg(svg: string): string {
  return svg.replace(/^<svg[^>]*>/, (tag) => `${tag.slice(0, -1)} color="#1f2328">${BACKGROUND}`) + "\n";
}

const BACKGROUND = '<rect width="100%" height="100%" fill="#fff"/>';

/** Escapes text so that it can stand between tags and in quotes, in XML and HTML. */
export function escapeMarkup(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
