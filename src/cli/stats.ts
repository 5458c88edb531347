import { buildCommand } from "@stricli/core";
import { isOriginalResults } from "../benchmark/original-results.ts";
import { parseResults } from "../benchmark/results.ts";
import { originalStatistics, statisticsOf, type StrategyStatistics } from "../benchmark/statistics.ts";
import { renderCsv, renderPositions, renderTable } from "../benchmark/table.ts";
import { UsageError } from "./errors.ts";
import { readContent } from "./input.ts";

interface StatsFlags {
  readonly json: boolean;
  readonly csv: boolean;
  readonly markdown: boolean;
}

const ORIGINAL_NOTE =
  "the original program began sd's clock after its prefill, the others' before; its J are of all its devices";

export const statsCommand = buildCommand({
  docs: { brief: "Print what a benchmark's results come to" },
  parameters: {
    positional: {
      kind: "array",
      parameter: { parse: String, brief: "What benchmark wrote, or the original program", placeholder: "RESULTS" },
      minimum: 1,
    },
    flags: {
      json: { kind: "boolean", brief: "As JSON", default: false },
      csv: { kind: "boolean", brief: "As CSV", default: false },
      markdown: { kind: "boolean", brief: "As a table in Markdown", default: false },
    },
  },
  func: async ({ json, csv, markdown }: StatsFlags, ...files: string[]) => {
    if (Number(json) + Number(csv) + Number(markdown) > 1) {
      throw new UsageError("Cannot print in several forms: give one of --json, --csv, --markdown");
    }
    const read = await Promise.all(files.map(readStatistics));
    const rows = read.flatMap(({ rows }) => rows);
    if (json) console.log(JSON.stringify(rows, null, 2));
    else if (csv) console.log(renderCsv(rows));
    else {
      console.log(renderTable(rows, markdown));
      const positions = renderPositions(rows, markdown);
      if (positions !== "") console.log(`\n${positions}`);
      if (read.some(({ original }) => original)) console.log(`\n${ORIGINAL_NOTE}`);
    }
  },
});

async function readStatistics(file: string): Promise<{ rows: StrategyStatistics[]; original: boolean }> {
  const content = await readContent(file, "read");
  const parsed = parseOrNull(content);
  if (isOriginalResults(parsed)) return { rows: originalStatistics(file, parsed), original: true };
  return { rows: statisticsOf(file, parseResults(content, `Cannot read "${file}"`)), original: false };
}

function parseOrNull(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    return null;
  }
}
