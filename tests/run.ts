// The test runner: `deno task test [--fast] [--jobs N] [--limit-s N] [PART OF A FILE NAME ...]`.
//
// With --fast (`deno task test:fast`) it leaves out the files that take long: those named x.slow.test.ts, those whose
// imports reach Dawn, and those that start Deno, Node or a server. The others then have no right to the network or to a
// device.
//
// Each tests/**/x.test.ts runs in a process of its own, so that a crash, a hang or an environment setting hits one file
// only. uvu's exit code alone can't be trusted: it is 0 (uvu 0.5.6) where a `before` hook throws, or where a test
// throws a value that is no Error. So the verdict rests on the summary's counts and on the exit code.

import { dirname, join } from "node:path/posix";
import { hasNpm, installPackage } from "./node/installed.ts";
import { codeOf, importsOf } from "./source-text.ts";

/** The outcome of one test file. */
interface FileResult {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Why the file failed as a whole; "" where it didn't, although tests in it may have failed. */
  readonly reason: string;
  readonly output: string;
}

/**
 * The folders below tests/ whose files this runner leaves alone: the peers have a manifest and packages of their own.
 */
const OTHER_FOLDERS = ["peers", "node_modules"];

/** The counts that uvu prints at the end of a file. Several suites in one file make one summary. */
const SUMMARY = /^ {2}Total: +(\d+)\n {2}Passed: +(\d+)\n {2}Skipped: +(\d+)$/m;

async function findTests(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of Deno.readDir(folder)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory && !OTHER_FOLDERS.includes(entry.name)) found.push(...await findTests(path));
    if (entry.isFile && entry.name.endsWith(".test.ts")) found.push(path);
  }
  return found.sort();
}

/** The tests in this folder run the npm package. */
const NODE = "tests/node/";
/** The only file that loads Dawn. */
const DAWN = "src/gpu/dawn.ts";

/** The text of a source file without its comments; "" where there is no such file. */
const codeIn = async (path: string) => codeOf(await Deno.readTextFile(path).catch(() => ""));

const NO_RIGHTS = ["--deny-net", "--deny-ffi"];

async function isFast(test: string): Promise<boolean> {
  if (test.endsWith(".slow.test.ts") || test.startsWith(NODE)) return false;
  const reached = new Set([test]);
  for (const path of reached) {
    const code = path.endsWith(".ts") ? await codeIn(path) : "";
    if (path === DAWN || (path.startsWith("tests/") && /Deno\.(execPath|serve)\(/.test(code))) return false;
    for (const { target, isType } of importsOf(code)) {
      if (target.startsWith(".") && !isType) reached.add(join(dirname(path), target));
    }
  }
  return true;
}

const running = new Set<Deno.ChildProcess>();

/**
 * Ends a test's process and all processes that it started, which are its process group. Otherwise one of those could
 * hold its output open.
 */
function kill(child: Deno.ChildProcess): void {
  try {
    if (Deno.build.os === "windows") child.kill("SIGKILL");
    else Deno.kill(-child.pid, "SIGKILL");
  } catch {
    // The process group has ended already.
  }
}

/** The npm package is installed into this folder when the first test file that wants it begins. */
const packageFolder = Deno.makeTempDirSync();
let installing: Promise<void> | undefined;

async function makePackage(): Promise<void> {
  const start = performance.now();
  try {
    await installPackage(packageFolder);
    console.log(`     ${secondsSince(start)} s  the npm package is packed and installed`);
  } catch (error) {
    // The files that want the package fail one by one.
    console.log((error as Error).message);
  }
}

/** The environment variables that a file gets in addition to the runner's own. */
async function environmentOf(path: string): Promise<Record<string, string>> {
  if (!path.startsWith(NODE) || !await hasNpm()) return { NO_COLOR: "1" };
  await (installing ??= makePackage());
  return { NO_COLOR: "1", AMUSD_TEST_PACKAGE: packageFolder };
}

const secondsSince = (start: number) => ((performance.now() - start) / 1000).toFixed(1).padStart(6);

function exit(code: number): never {
  try {
    Deno.removeSync(packageFolder, { recursive: true });
  } catch {
    // An npm that was interrupted may still write to the folder.
  }
  Deno.exit(code);
}

async function runFile(path: string, limitS: number, env: Record<string, string>): Promise<FileResult> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", ...(fast ? NO_RIGHTS : []), path],
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    detached: true,
  }).spawn();
  running.add(child);

  let output = "";
  const read = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => {
    let all = "";
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      all += text;
      output += text;
    }
    return all;
  };
  const reading = Promise.all([read(child.stdout), read(child.stderr)]);

  let late = false;
  const timer = setTimeout(() => {
    late = true;
    kill(child);
  }, limitS * 1000);
  const { code, signal } = await child.status;
  clearTimeout(timer);
  kill(child);
  running.delete(child);
  const [stdout] = await reading;

  const summary = SUMMARY.exec(stdout);
  const [total, passed, skipped] = summary ? summary.slice(1).map(Number) as [number, number, number] : [0, 0, 0];
  const failed = total - passed;
  const reason = late
    ? `ran longer than ${limitS} s`
    : signal
    ? `ended by ${signal}`
    : !summary
    ? `ended with exit code ${code} and without a summary: is test.run() called, does each test's promise settle?`
    : total + skipped === 0
    ? "has no test"
    : code !== 0 && failed === 0
    ? `ended with exit code ${code} after its last test`
    : "";
  return { passed, failed: failed || (reason ? 1 : 0), skipped, reason, output };
}

function numberFlag(args: string[], flag: string, fallback: number): number {
  const at = args.indexOf(flag);
  if (at < 0) return fallback;
  const value = Number(args.splice(at, 2)[1]);
  if (!Number.isInteger(value) || value < 1) {
    throw new RangeError(`Cannot read "${flag}": wanted a whole number from 1`);
  }
  return value;
}

function booleanFlag(args: string[], flag: string): boolean {
  const at = args.indexOf(flag);
  if (at >= 0) args.splice(at, 1);
  return at >= 0;
}

const filters = [...Deno.args];
const fast = booleanFlag(filters, "--fast");
// Two files run at a time: most of them wait for a compiler or a software adapter, whose threads share the cores.
const jobs = numberFlag(filters, "--jobs", Math.min(2, navigator.hardwareConcurrency));
// A first run compiles hundreds of pipelines: on lavapipe some files take two minutes, and more on a busy machine.
const limitS = numberFlag(filters, "--limit-s", 1800);

// A Ctrl-C does not reach the tests' processes, which lead process groups of their own, so the runner ends them.
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, () => {
    running.forEach(kill);
    exit(130);
  });
}

const files: string[] = [];
for (const path of await findTests("tests")) {
  const isChosen = !filters.length || filters.some((part) => path.includes(part));
  if (isChosen && (!fast || await isFast(path))) files.push(path);
}
if (!files.length) {
  console.log(`no test file matches ${filters.map((part) => `"${part}"`).join(", ") || "tests/**/*.test.ts"}`);
}

const sum = { passed: 0, failed: 0, skipped: 0 };
const queue = [...files];
await Promise.all(Array.from({ length: jobs }, async () => {
  for (let path = queue.shift(); path; path = queue.shift()) {
    const env = await environmentOf(path);
    const start = performance.now();
    const { passed, failed, skipped, reason, output } = await runFile(path, limitS, env);
    const verdict = failed ? "FAIL" : "ok  ";
    console.log(
      `${verdict} ${secondsSince(start)} s  ${path}  ${passed} passed, ${failed} failed, ${skipped} skipped`,
    );
    if (failed) console.log(`${output.trimEnd()}\n${reason ? `${path} ${reason}\n` : ""}`);
    else for (const [line] of output.matchAll(/^skipped.*/gm)) console.log(`               ${line}`);
    sum.passed += passed;
    sum.failed += failed;
    sum.skipped += skipped;
  }
}));

console.log(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
exit(sum.failed || !(sum.passed + sum.skipped) ? 1 : 0);
