/** Cells, of which the first row has the heads, as text in columns; numbers are set to the right. */
export function textTable(rows: readonly (readonly string[])[]): string {
  const widths = widthsOf(rows);
  const align = (cell: string, i: number) => /^[-\d.]/.test(cell) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!);
  return rows.map((row) => row.map(align).join("  ").trimEnd()).join("\n");
}

/** The same as a table in Markdown. */
export function markdownTable(rows: readonly (readonly string[])[]): string {
  const widths = widthsOf(rows);
  const rule = widths.map((width) => "-".repeat(width));
  const [head, ...others] = rows.map((row) => row.map((cell, i) => cell.padEnd(widths[i]!)));
  return [head!, rule, ...others].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

function widthsOf(rows: readonly (readonly string[])[]): number[] {
  return rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
}
