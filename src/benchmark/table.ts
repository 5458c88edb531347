import { markdownTable, textTable } from "../util/text-table.ts";
import type { Estimate } from "./speed-figures.ts";
import type { StrategyStatistics } from "./statistics.ts";

type Column = readonly [head: string, cell: (row: StrategyStatistics) => string];

const number = (value: number | null, digits: number) => value === null ? "-" : value.toFixed(digits);
const share = (value: number | null) => value === null ? "-" : `${Math.round(100 * value)} %`;
const interval = (value: Estimate | null, digits: number) => {
  if (value === null) return "-";
  const { mean, low, high } = value;
  return low === high
    ? mean.toFixed(digits)
    : `${mean.toFixed(digits)} [${low.toFixed(digits)}..${high.toFixed(digits)}]`;
};

const COLUMNS: readonly Column[] = [
  ["file", (row) => row.file],
  ["strategy", (row) => row.strategy],
  ["runs", (row) => `${row.runs}`],
  ["tokens", (row) => `${row.tokens}`],
  ["ms/token", (row) => interval(row.msPerToken, 2)],
  ["speed-up", (row) => row.strategy === "greedy" ? "1" : interval(row.speedup, 2)],
  ["first token ms", (row) => number(row.ttftMs, 0)],
  ["tokens/verification", (row) => number(row.tokensPerVerification, 2)],
  ["accepted", (row) => share(row.acceptance)],
  ["verify busy", (row) => share(row.verifyBusy)],
  ["draft busy", (row) => share(row.draftBusy)],
  ["both busy", (row) => share(row.overlap)],
  ["wasted drafts/token", (row) => number(row.wastedPerToken, 2)],
  ["J/token", (row) => number(row.joulesPerToken, 2)],
  ["same text", (row) => row.identical === null ? "-" : row.identical ? "yes" : "NO"],
];

/** The statistics as a table for people: text in columns, or Markdown. Intervals are of 95 %. */
export function renderTable(rows: readonly StrategyStatistics[], markdown = false): string {
  const columns = isOneFile(rows) ? COLUMNS.slice(1) : COLUMNS;
  return tableOf(columns, rows, markdown);
}

/**
 * The share of the drafts in each place of a verification that were accepted, the first draft's first, as a table; ""
 * where no strategy drafted.
 */
export function renderPositions(rows: readonly StrategyStatistics[], markdown = false): string {
  const drafting = rows.filter(({ acceptanceByPosition }) => acceptanceByPosition.length > 0);
  if (drafting.length === 0) return "";
  const places = Math.max(...drafting.map(({ acceptanceByPosition }) => acceptanceByPosition.length));
  const columns: Column[] = [
    ...COLUMNS.slice(isOneFile(rows) ? 1 : 0, 2),
    ...Array.from({ length: places }, (_, at): Column => [
      at === 0 ? "accepted at 1" : `${at + 1}`,
      ({ acceptanceByPosition }) => share(acceptanceByPosition[at] ?? null),
    ]),
  ];
  return tableOf(columns, drafting, markdown);
}

function tableOf(columns: readonly Column[], rows: readonly StrategyStatistics[], markdown: boolean): string {
  const cells = [columns.map(([head]) => head), ...rows.map((row) => columns.map(([, cell]) => cell(row)))];
  return markdown ? markdownTable(cells) : textTable(cells);
}

function isOneFile(rows: readonly StrategyStatistics[]): boolean {
  return new Set(rows.map(({ file }) => file)).size === 1;
}

/** The statistics as CSV (RFC 4180), intervals as three columns, acceptance by position as one with spaces between. */
export function renderCsv(rows: readonly StrategyStatistics[]): string {
  const flat = rows.map(({ msPerToken, speedup, acceptanceByPosition, ...row }) => ({
    ...row,
    msPerToken: msPerToken?.mean ?? null,
    msPerTokenLow: msPerToken?.low ?? null,
    msPerTokenHigh: msPerToken?.high ?? null,
    speedup: speedup?.mean ?? null,
    speedupLow: speedup?.low ?? null,
    speedupHigh: speedup?.high ?? null,
    acceptanceByPosition: acceptanceByPosition.join(" "),
  }));
  const quote = (value: unknown) => {
    const text = value === null ? "" : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const head = Object.keys(flat[0] ?? {});
  return [head, ...flat.map((row) => Object.values(row))].map((line) => line.map(quote).join(",")).join("\r\n");
}
