// deno task fuzz [--count N] [--seed S] [--jobs J]: opens N damaged models, those of the seeds from S on, each up to
// where a forward pass would begin, in child processes, and prints what came of them. It fails where one was neither
// refused by a plain Error of one line nor opened as a sound model; the seeds of the first such are printed, and
// `--seed S --count 1` does one again.

import { parseArgs } from "node:util";
import { lines } from "../../bench/line-process.ts";
import { OUTCOMES } from "./outcome.ts";

/** Mutants a child process: a new one begins with a clean memory. */
const PER_CHILD = 10_000;
/** How long one mutant may take of the processor, in ms. */
const MAX_MS = 5000;
/** A child that is silent for so long over one mutant hangs. It may just have to wait for the processor. */
const SILENT_MS = 120_000;
/** The memory that a child's JavaScript may take, in MiB. The models have some 100 kB. */
const MEMORY_MIB = 512;
/** How many seeds are printed of each kind of fault. */
const SHOWN = 12;

interface Found {
  readonly seed: number;
  readonly base: string;
  readonly text: string;
}

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "1000" },
    seed: { type: "string", default: "1" },
    jobs: { type: "string", default: "1" },
  },
});
const [count, first, jobs] = [values.count, values.seed, values.jobs].map(Number) as [number, number, number];
if (![count, first, jobs].every((number) => Number.isSafeInteger(number) && number >= 0)) {
  console.error("Cannot fuzz: --count, --seed and --jobs are whole numbers");
  Deno.exit(2);
}
const found = new Map<string, Found[]>([...OUTCOMES, "hang", "crash"].map((kind) => [kind, []]));
const reasons = new Map<string, number>();
let [done, slowestMs, slowest, peakKib] = [0, 0, first, 0];

function note(kind: string, seed: number, base: string, text: string): void {
  found.get(kind)!.push({ seed, base, text });
  done++;
  if (kind !== "refused") return;
  const reason = text.replace(/"(?:[^"\\]|\\.)*"/g, '"…"').replace(/\d[\d.e+]*/g, "N");
  reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
}

/** Opens the mutants of the seeds from `from` to `to` - 1; one that hangs or crashes costs its child. */
async function open(from: number, to: number): Promise<void> {
  for (let next = from; next < to;) {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", `--v8-flags=--max-old-space-size=${MEMORY_MIB}`, "tests/fuzz/child.ts", `${next}`, `${to}`],
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    let isSilent = false;
    const silent = () => {
      isSilent = true;
      child.kill("SIGKILL");
    };
    let timer: ReturnType<typeof setTimeout> | undefined;
    for await (const line of lines(child.stdout)) {
      clearTimeout(timer);
      timer = setTimeout(silent, SILENT_MS);
      const said = JSON.parse(line);
      if (!Array.isArray(said)) {
        peakKib = Math.max(peakKib, said.peakKib);
        continue;
      }
      const [seed, outcome, ms, base, text] = said as [number, string, number, string, string];
      if (ms > slowestMs) [slowestMs, slowest] = [ms, seed];
      note(ms > MAX_MS ? "hang" : outcome, seed, base, ms > MAX_MS ? `${ms} ms` : text);
      next = seed + 1;
    }
    clearTimeout(timer);
    const { code, signal } = await child.status;
    if (next < to) {
      note(isSilent ? "hang" : "crash", next++, "", isSilent ? "silence" : `${signal ?? `exit code ${code}`}`);
    }
  }
}

const ranges = Array.from({ length: Math.ceil(count / PER_CHILD) }, (_, i) => first + i * PER_CHILD);
const progress = setInterval(() => {
  const faults = [...found].filter(([kind]) => kind !== "refused" && kind !== "opened").map(([kind, { length }]) =>
    `${kind} ${length}`
  );
  console.error(`${done} of ${count}: ${faults.join(", ")}`);
}, 10_000);
await Promise.all(Array.from({ length: jobs }, async () => {
  for (let from = ranges.shift(); from !== undefined; from = ranges.shift()) {
    await open(from, Math.min(from + PER_CHILD, first + count));
  }
}));
clearInterval(progress);

console.log(`${done} mutants of the seeds from ${first} on, ${reasons.size} reasons to refuse one`);
for (const [kind, { length }] of found) console.log(`${kind.padEnd(16)} ${length}`);
console.log(
  `slowest          ${slowestMs} ms of the processor (seed ${slowest}); most memory ${Math.round(peakKib / 1024)} MiB`,
);
const faults = [...found].filter(([kind]) => kind !== "refused" && kind !== "opened");
for (const [kind, all] of faults) {
  for (const { seed, base, text } of all.slice(0, SHOWN)) console.log(`${kind}: --seed ${seed} (${base}) ${text}`);
}
Deno.exit(faults.some(([, { length }]) => length > 0) ? 1 : 0);
