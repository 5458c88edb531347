/**
 * Draws docs/pictures/lanes.svg: two lanes at work on one line of code, and the tokens that are committed.
 * `deno run -A docs/pictures/lanes.ts` writes the file anew; tests/docs.test.ts fails where the file is out of date.
 */
import { ORIGIN_COLORS } from "../../src/benchmark/viz/palette.ts";
import type { Origin } from "../../src/spec/token-log.ts";

const WIDTH = 920;
const HEIGHT = 330;
/** The x of time 0, in pixels. */
const LEFT = 112;
/** The pixels of one unit of time. */
const SCALE = 1.33;
/** How long a draft step takes, in units of time. */
const DRAFT_TIME = 40;
/** How long a verification takes, in units of time. */
const VERIFY_TIME = 130;
// The y of each row's upper edge and the height of its boxes, in pixels.
const DRAFT_Y = 78;
const VERIFY_Y = 158;
const TEXT_Y = 258;
const BOX = 34;

interface DraftStep {
  readonly token: string;
  readonly from: number;
  /** Whether a verification rejects this token, or one before it. */
  readonly stale?: boolean;
}

interface Verification {
  readonly from: number;
  /** The indices of the draft steps whose tokens are verified. */
  readonly takes: readonly number[];
  readonly commits: readonly (readonly [token: string, origin: Origin])[];
}

const DRAFTS: readonly DraftStep[] = [
  { token: "push", from: 0 },
  { token: "(", from: 40 },
  { token: "self", from: 80 },
  { token: ",", from: 120 },
  { token: "x", from: 160, stale: true },
  { token: ")", from: 200, stale: true },
  { token: ":", from: 240, stale: true },
  { token: ")", from: 345 },
  { token: ":", from: 385 },
  { token: "\\n", from: 425 },
  { token: "self", from: 465 },
  { token: ".", from: 505 },
];

const VERIFICATIONS: readonly Verification[] = [
  { from: 80, takes: [0, 1], commits: [["push", "accepted"], ["(", "accepted"], ["self", "bonus"]] },
  { from: 212, takes: [3, 4], commits: [[",", "accepted"], ["item", "correction"]] },
  { from: 427, takes: [7, 8], commits: [[")", "accepted"], [":", "accepted"], ["\\n", "bonus"]] },
];

const x = (time: number) => LEFT + time * SCALE;

function text(atX: number, atY: number, content: string, attributes = ""): string {
  const escaped = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x="${round(atX)}" y="${round(atY)}" ${attributes}>${escaped}</text>`;
}

function box(atX: number, atY: number, width: number, className: string, fill = ""): string {
  const color = fill ? ` fill="${fill}"` : "";
  return `<rect class="${className}" x="${round(atX)}" y="${atY}" width="${
    round(width)
  }" height="${BOX}" rx="5"${color}/>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function draftStep({ token, from, stale }: DraftStep): string {
  const width = DRAFT_TIME * SCALE - 3;
  const middle = x(from) + width / 2;
  return [
    box(x(from), DRAFT_Y, width, stale ? "stale" : "draft"),
    text(middle, DRAFT_Y + 22, token, `class="token${stale ? " faint" : ""}"`),
    ...stale ? [`<path class="strike" d="M${round(x(from) + 6)} ${DRAFT_Y + 17}h${round(width - 12)}"/>`] : [],
  ].join("\n");
}

function verification({ from, takes, commits }: Verification): string {
  const width = VERIFY_TIME * SCALE - 3;
  const names = takes.map((i) => DRAFTS[i]!.token).join("\u00a0\u00a0");
  const lines = takes.map((i) => {
    const top = x(DRAFTS[i]!.from + DRAFT_TIME / 2);
    return `<path class="arrow" d="M${round(top)} ${DRAFT_Y + BOX + 2}L${round(x(from) + 8)} ${VERIFY_Y - 4}"/>`;
  });
  const results = commits.map(([token, origin], i) => {
    const step = width / commits.length;
    const left = x(from) + i * step;
    return [
      box(left, TEXT_Y, step - 3, "committed", ORIGIN_COLORS[origin]),
      text(left + (step - 3) / 2, TEXT_Y + 22, token, `class="token ${origin === "bonus" ? "black" : "white"}"`),
    ].join("\n");
  });
  const middle = round(x(from) + width / 2);
  return [
    ...lines,
    box(x(from), VERIFY_Y, width, "verify"),
    text(middle, VERIFY_Y + 22, `checks\u00a0 ${names}`, 'class="token"'),
    `<path class="arrow" d="M${middle} ${VERIFY_Y + BOX + 3}V${TEXT_Y - 7}"/>`,
    ...results,
  ].join("\n");
}

const LEGEND: readonly (readonly [origin: Origin, meaning: string])[] = [
  ["accepted", "accepted: the draft was right"],
  ["correction", "correction: it was wrong, the large model's token stands"],
  ["bonus", "bonus: one more, all were right"],
];

/** The picture as SVG text. It has a background of its own, so it can be read on any page. */
export function lanesPicture(): string {
  const second = VERIFICATIONS[1]!;
  const rollback = x(second.from + VERIFY_TIME);
  let legendX = LEFT;
  const legend = LEGEND.map(([origin, meaning]) => {
    const entry = `<rect x="${legendX}" y="306" width="11" height="11" rx="2" fill="${ORIGIN_COLORS[origin]}"/>\n` +
      text(legendX + 17, 316, meaning, 'class="label"');
    legendX += 44 + Math.round(meaning.length * 5.7);
    return entry;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-labelledby="title">
<title id="title">The draft lane writes tokens while the verify lane checks those before them</title>
<style>
text { font-family: Inter, system-ui, sans-serif; fill: #1f2328; }
.page { fill: #ffffff; stroke: #d0d7de; }
.draft { fill: #e8edf2; stroke: #8c959f; }
.stale { fill: none; stroke: #8c959f; stroke-dasharray: 3 3; }
.verify { fill: #dbe9f6; stroke: #1f7fc1; }
.token { font-size: 13px; text-anchor: middle; }
.white, .black { font-weight: 600; }
.white { fill: #ffffff; }
.black { fill: #0d1117; }
.name { font-size: 13px; font-weight: 600; }
.label, .faint { fill: #59636e; }
.label { font-size: 11.5px; }
.arrow { fill: none; stroke: #8c959f; marker-end: url(#head); }
.strike { fill: none; stroke: #d55e00; stroke-width: 1.5; }
.back { fill: none; stroke: #d55e00; stroke-width: 1.5; }
.warning { fill: #b54a00; font-size: 11.5px; }
.head { fill: #8c959f; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; }
.page { fill: #0d1117; stroke: #3d444d; }
.draft { fill: #2a313c; }
.verify { fill: #12324d; }
.white { fill: #ffffff; }
.black { fill: #0d1117; }
.label, .faint { fill: #9198a1; }
.warning { fill: #f0883e; }
}
</style>
<defs>
<marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
<path class="head" d="M0 0L8 4L0 8z"/>
</marker>
</defs>
<rect class="page" x="0.5" y="0.5" width="${WIDTH - 1}" height="${HEIGHT - 1}" rx="8"/>
${text(x(0), 30, "time", 'class="label"')}
<path class="arrow" d="M${x(0) + 34} 26H${WIDTH - 24}"/>
${text(16, DRAFT_Y + 14, "small model", 'class="name"')}
${text(16, DRAFT_Y + 31, "drafts ahead", 'class="label"')}
${text(16, VERIFY_Y + 14, "large model", 'class="name"')}
${text(16, VERIFY_Y + 31, "verifies", 'class="label"')}
${text(16, TEXT_Y + 14, "your text", 'class="name"')}
${text(16, TEXT_Y + 31, "committed", 'class="label"')}
${DRAFTS.map(draftStep).join("\n")}
<path class="back" d="M${round(rollback)} ${VERIFY_Y - 4}V${DRAFT_Y - 14}"/>
${
    text(
      rollback - 6,
      DRAFT_Y - 20,
      "x was wrong: the drafts after it go, drafting goes on from item",
      'class="warning" text-anchor="middle"',
    )
  }
${VERIFICATIONS.map(verification).join("\n")}
${legend.join("\n")}
</svg>
`;
}

if (import.meta.main) {
  await Deno.writeTextFile(new URL("lanes.svg", import.meta.url), lanesPicture());
}
