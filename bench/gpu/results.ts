import { textTable } from "../../src/util/text-table.ts";
import type { Scale } from "./part.ts";

/** One figure, or a few that belong together: `what` names the row. */
export type Figure = { readonly what: string } & Readonly<Record<string, unknown>>;

export interface PartResult {
  readonly name: string;
  /** "cut": its time was up; the figures until then are good. */
  status: "running" | "done" | "cut" | "failed" | "left out";
  seconds: number;
  readonly figures: Figure[];
  /** The end of what a failed part wrote to stderr. */
  error?: string;
}

/** What a run of the kit measured. */
export interface GpuResults {
  readonly format: "amusd gpu";
  readonly version: 1;
  /** ISO 8601. */
  readonly started: string;
  readonly scale: Scale;
  readonly parts: PartResult[];
}

/** All figures as tables of text, one a run of rows with the same columns. */
export function resultsText({ started, scale, parts }: GpuResults): string {
  return [`GPU kit, ${started}, scale ${scale}`, ...parts.flatMap(partText)].join("\n") + "\n";
}

function partText({ name, status, seconds, figures, error }: PartResult): string[] {
  const lines = ["", `${name}: ${status}, ${seconds.toFixed(1)} s`, ...error ? [error] : []];
  for (let at = 0; at < figures.length;) {
    const columns = Object.keys(figures[at]!);
    let end = at + 1;
    while (end < figures.length && Object.keys(figures[end]!).join() === columns.join()) end++;
    const rows = figures.slice(at, end).map((figure) => columns.map((column) => cellOf(figure[column])));
    lines.push(columns.length > 1 ? textTable([columns, ...rows]) : rows.map(([cell]) => cell).join("\n"));
    at = end;
  }
  return lines;
}

/** A value as a table shows it: numbers with four digits. */
export function cellOf(value: unknown): string {
  if (typeof value === "number") return Number.isInteger(value) ? `${value}` : value.toPrecision(4);
  if (Array.isArray(value)) return value.map(cellOf).join(" ");
  if (typeof value === "object" && value !== null) return JSON.stringify(value);
  return `${value ?? "-"}`;
}
