// Measures a machine's GPU, part by part, in order of worth: `deno task gpu:run [--out FOLDER] [--scale full|tiny]
// [--minutes N] [--parts NAME,NAME]`, or the kit's run.sh. Each part is a process of its own with a limit of its own,
// and results.json and results.txt are whole after each figure: a run that is cut short is worth its parts.

import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";
import { lines } from "../line-process.ts";
import type { Scale } from "./part.ts";
import { quit } from "./quit.ts";
import { type GpuResults, type PartResult, resultsText } from "./results.ts";

const here = new URL("./", import.meta.url).pathname;
const root = path.resolve(here, "../..");

interface Part {
  readonly name: string;
  /** The longest that it may take, in seconds. */
  readonly seconds: number;
  readonly args: (tiny: boolean) => readonly string[];
}

const program = (name: string) => () => [path.join(here, `parts/${name}.ts`)];
const tests = (tiny: boolean) => [
  path.join(root, "tests/run.ts"),
  ...tiny ? ["tests/kernels/embed"] : ["tests/kernels", "tests/llama"],
];

/** In order of worth. Together they may take longer than there is time: the last ones are then cut, or left out. */
const PARTS: readonly Part[] = [
  { name: "machine", seconds: 40, args: program("machine") },
  { name: "embedded", seconds: 70, args: program("embedded") },
  { name: "tests", seconds: 120, args: tests },
  { name: "two-devices", seconds: 45, args: program("two-devices") },
  { name: "shapes", seconds: 280, args: program("shapes") },
  { name: "tune", seconds: 80, args: program("tune") },
  { name: "strategies", seconds: 110, args: program("strategies") },
];
/** A part that would get less time than this, in seconds, is left out. */
const LEAST_SECONDS = 5;
/** The last lines of a part's stderr, which say why it failed. */
const KEPT_LINES = 20;

interface Options {
  readonly scale: Scale;
  readonly out: string;
  readonly minutes: number;
  readonly parts: readonly Part[];
  /** The folder of the embedded pair; null where it was not brought along. */
  readonly models: string | null;
}

/** Throws an Error of one line for an argument that is wrong. */
async function optionsOf(args: string[]): Promise<Options> {
  const { values } = parseArgs({
    args,
    options: {
      out: { type: "string", default: "results/gpu" },
      scale: { type: "string", default: "full" },
      minutes: { type: "string", default: "12" },
      parts: { type: "string" },
      models: { type: "string", default: path.join(root, "models") },
    },
  });
  const { scale, out, models } = values;
  if (scale !== "full" && scale !== "tiny") throw new RangeError(`Cannot measure at scale "${scale}": full or tiny`);
  const minutes = Number(values.minutes);
  if (!(minutes > 0)) {
    throw new RangeError(`Cannot measure for "${values.minutes}" minutes: a number above 0 is wanted`);
  }
  const all = PARTS.map(({ name }) => name);
  const names = values.parts?.split(",") ?? all;
  const unknown = names.find((name) => !all.includes(name));
  if (unknown !== undefined) throw new RangeError(`Cannot run part "${unknown}": there are ${all.join(", ")}`);
  const pair = await Deno.stat(path.join(models, "smollm2-135m-instruct-q4_1.gguf")).catch(() => null);
  return { scale, out, minutes, parts: PARTS.filter(({ name }) => names.includes(name)), models: pair && models };
}

const { scale, out, minutes, parts, models } = await optionsOf(Deno.args).catch(quit);
const scratch = path.join(out, "scratch");
await mkdir(scratch, { recursive: true }).catch(quit);
const results: GpuResults = { format: "amusd gpu", version: 1, started: new Date().toISOString(), scale, parts: [] };

/** Writes both files, each whole at any moment. */
async function save(): Promise<void> {
  const files = { "results.json": JSON.stringify(results) + "\n", "results.txt": resultsText(results) };
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(out, name);
    await writeFile(`${file}.part`, text);
    await rename(`${file}.part`, file);
  }
}

/** The process of the part that runs; the processes that it has started are of its group. */
let running: number | undefined;

function stop(): void {
  try {
    if (running !== undefined) Deno.kill(-running, "SIGKILL");
  } catch {
    // All of them have ended.
  }
}
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, () => {
    stop();
    Deno.exit(130);
  });
}

/** Runs one part, figure by figure, until it ends or its time is up. */
async function run({ name, args }: Part, seconds: number): Promise<void> {
  const result: PartResult = { name, status: "running", seconds: 0, figures: [] };
  results.parts.push(result);
  const startMs = performance.now();
  const options = ["--scale", scale, "--scratch", scratch, ...models === null ? [] : ["--models", models]];
  const own = name === "tests" ? [] : options;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", ...args(scale === "tiny"), ...own],
    cwd: root,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    detached: true,
  }).spawn();
  running = child.pid;
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    stop();
  }, 1000 * seconds);
  const errors = Array.fromAsync(lines(child.stderr));
  for await (const line of lines(child.stdout)) {
    if (line.trim() !== "") result.figures.push(figureOf(line));
    result.seconds = (performance.now() - startMs) / 1000;
    await save();
  }
  const { success } = await child.status;
  stop();
  running = undefined;
  clearTimeout(timer);
  result.seconds = (performance.now() - startMs) / 1000;
  result.status = isLate ? "cut" : success ? "done" : "failed";
  if (!success && !isLate) result.error = (await errors).slice(-KEPT_LINES).join("\n");
  await save();
}

/** A line of a part is a figure as JSON; the tests' runner prints text. */
function figureOf(line: string): PartResult["figures"][number] {
  try {
    return JSON.parse(line);
  } catch {
    return { what: line };
  }
}

const endMs = performance.now() + 60_000 * minutes;
await save();
for (const part of parts) {
  const leftSeconds = (endMs - performance.now()) / 1000;
  if (leftSeconds < LEAST_SECONDS) {
    results.parts.push({ name: part.name, status: "left out", seconds: 0, figures: [] });
    continue;
  }
  console.error(`${part.name}: at most ${Math.round(Math.min(part.seconds, leftSeconds))} s`);
  await run(part, Math.min(part.seconds, leftSeconds));
}
await save();
await rm(scratch, { recursive: true, force: true });
console.log(resultsText(results));
