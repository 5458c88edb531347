/**
 * What is lost between two verifications in benchmark results: the time from the device's end of one to its begin of
 * the next, over all of amusd's runs, then where the next one has drafts. Waiting for drafts is part of it:
 * `deno run -A lab/strategies/gaps.ts RESULTS.json ...`.
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { tracesOf } from "../../src/plan/recorded.ts";
import { mean, median } from "../../src/util/numbers.ts";

for (const file of process.argv.slice(2)) {
  const results = JSON.parse(readFileSync(file, "utf8"));
  const runs = results.runs.filter(({ strategy }: { strategy: string }) => strategy === "amusd");
  const gaps: { ms: number; drafted: boolean }[] = [];
  for (const events of tracesOf({ runs }, file)) {
    const verifications = events.filter((event) => event.kind === "operation").filter((event) =>
      event.accepted !== undefined
    );
    verifications.slice(1).forEach(({ startMs, tokens }, i) => {
      gaps.push({ ms: startMs - verifications[i]!.endMs, drafted: tokens.length > 1 });
    });
  }
  for (const [name, of] of [["all", gaps], ["with drafts next", gaps.filter(({ drafted }) => drafted)]] as const) {
    const ms = of.map(({ ms }) => ms);
    console.log(
      `${file}, ${name}: ${ms.length} gaps, mean ${mean(ms).toFixed(2)} ms, median ${median(ms)?.toFixed(2)}`,
    );
  }
}
