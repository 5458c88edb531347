/**
 * Draws docs/pictures/chat.svg: a question to the embedded pair and its answer, as `amusd chat` shows them at a
 * terminal, with the colours of who wrote each token. `deno run -A docs/pictures/chat.ts` asks anew and writes it.
 * By `sd`, which drafts whatever the time, and without the line of times: so it comes out the same wherever it runs.
 */
import { createHandler } from "../../mod.ts";
import { ChatSession } from "../../src/cli/chat/chat-session.ts";
import { Colours } from "../../src/cli/chat/colours.ts";
import { loadEngine } from "../../src/cli/models.ts";

const QUESTION = "Write a Python function that reverses a string, with an example.";
const STRATEGY = "/strategy sd";
const MAX_TOKENS = 96;

// A cell of the terminal, in pixels, and what is around all of them.
const [CELL, LINE, PAD, BAR] = [8.4, 21, 24, 38];
const COLUMNS = 90;
const FONTS = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace";

/** The colours of a dark terminal, by ANSI's numbers; "" is text without any. */
const COLORS: Readonly<Record<string, string>> = {
  "": "#e6edf3",
  2: "#8b96a3",
  32: "#4ade9f",
  33: "#ffb454",
  36: "#6cc0ff",
  39: "#e6edf3",
};

/** A character and ANSI's number of its colour. */
type Cell = readonly [char: string, color: string];

/** What a terminal shows of a text with colours, line by line, wrapped at its width. */
function cellsOf(text: string): Cell[][] {
  const lines: Cell[][] = [[]];
  let color = "";
  // deno-lint-ignore no-control-regex
  for (const [part, code] of text.matchAll(/\x1b\[(\d+)m|[^]/gu)) {
    if (code !== undefined) color = code === "0" ? "" : code;
    else if (part === "\n") lines.push([]);
    else {
      if (lines.at(-1)!.length === COLUMNS) lines.push([]);
      lines.at(-1)!.push([part, color]);
    }
  }
  return lines;
}

const escaped = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/** The cells of a line that follow each other in one colour, each run in its place whatever the font's width is. */
function lineOf(cells: readonly Cell[], y: number): string {
  const runs: { at: number; text: string; color: string }[] = [];
  cells.forEach(([char, color], at) => {
    const last = runs.at(-1);
    if (last?.color === color) last.text += char;
    else runs.push({ at, text: char, color });
  });
  const spans = runs.filter(({ text }) => text.trim() !== "").map(({ at, text, color }) => {
    const ahead = text.length - text.trimStart().length;
    return `<tspan x="${(PAD + CELL * (at + ahead)).toFixed(1)}" fill="${COLORS[color]}">${
      escaped(text.trim())
    }</tspan>`;
  });
  return spans.length === 0 ? "" : `<text y="${y}">${spans.join("")}</text>\n`;
}

function chatPicture(text: string): string {
  const lines = cellsOf(text.trimEnd());
  const [width, height] = [2 * PAD + CELL * COLUMNS, BAR + LINE * lines.length + PAD];
  const dots = ["#ff5f57", "#febc2e", "#28c840"].map((fill, i) =>
    `<circle cx="${PAD + 18 * i}" cy="${BAR / 2}" r="5.5" fill="${fill}"/>`
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img">
<title>amusd chat: an answer whose tokens are coloured by who wrote them</title>
<rect x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="10" fill="#0d1520" stroke="#3b4654"/>
${dots.join("")}
<g font-family="${FONTS}" font-size="14" xml:space="preserve">
${lines.map((line, i) => lineOf(line, BAR + LINE * i + 16)).join("")}</g>
</svg>
`;
}

const engine = await loadEngine({ drafter: "model" } as Parameters<typeof loadEngine>[0], true, undefined);
try {
  const colours = new Colours(true);
  let shown = `${colours.dim("$ npx amusd chat")}\n${colours.legend}\n> ${STRATEGY}\n> ${QUESTION}\n`;
  const server = { fetch: createHandler(engine), url: "http://localhost/v1" };
  const session = new ChatSession(server, { temperature: 0, max_tokens: MAX_TOKENS }, {
    write: (text) => shown += text,
    note: () => {},
    colours,
  });
  await session.take(STRATEGY);
  await session.take(QUESTION);
  await Deno.writeTextFile(new URL("chat.svg", import.meta.url), chatPicture(shown));
} finally {
  await engine.close();
}
