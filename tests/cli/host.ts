// The command line as its users have it: a process. It is this checkout's under Deno, or the npm package's under Node
// where tests/node/on-node.ts says so.

import * as assert from "uvu/assert";
import type { GenerationRecord } from "../../src/engine/generation-run.ts";

const root = new URL("../../", import.meta.url);

/** The folder in which the npm package is installed; without it the command line runs under Deno. */
const installed = Deno.env.get("AMUSD_TEST_HOST");

export const isNode: boolean = installed !== undefined;

/**
 * Lines on stderr that nothing can silence: Dawn's for an adapter under Node, and Deno's where several processes start
 * at once.
 */
export const FOREIGN_LINES = isNode
  ? /^Warning: max\w+ artificially reduced .*\n/gm
  : /^Blocking waiting for file lock on node_modules directory\n/gm;

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  /** Without the lines that nothing can silence. */
  readonly stderr: string;
}

/** The folder in which `amusd` is started. */
const cwd = installed ?? root;

/** The words by which `amusd` is started with these arguments. */
function words(args: readonly string[]): string[] {
  // The test's own process has set up node_modules. Several that start at once would wait for the lock on it, and Deno
  // says so on their stderr.
  const first = installed === undefined
    ? [Deno.execPath(), "run", "-A", "--node-modules-dir=manual", "cli.ts"]
    : ["node", "node_modules/amusd/dist/cli.js"];
  return [...first, ...args];
}

/** The process to start for `amusd` with these arguments; it reads nothing unless told to. */
export function command(args: readonly string[], options: Deno.CommandOptions = {}): Deno.Command {
  const [program, ...rest] = words(args);
  return new Deno.Command(program!, { cwd, stdin: "null", ...options, args: rest });
}

/** The same at a terminal of 80 columns, by the `script` of util-linux, which hands on what is typed and shown. */
export function atTerminal(args: readonly string[], options: Deno.CommandOptions): Deno.Command {
  const quoted = words(args).map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
  const line = `stty rows 24 cols 80; exec ${quoted}`;
  return new Deno.Command("script", { cwd, ...options, args: ["-qec", line, "/dev/null"] });
}

/** Waits for the end of a process whose stdout and stderr are piped. */
export async function finish(child: Pick<Deno.ChildProcess, "output">): Promise<Outcome> {
  const { code, stdout, stderr } = await child.output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, stdout: out!, stderr: err!.replaceAll(FOREIGN_LINES, "") };
}

/** Runs `amusd` to its end. */
export function amusd(...args: string[]): Promise<Outcome> {
  return finish(command(args));
}

/** Starts `amusd` with its stdout and stderr piped. */
export function spawn(args: readonly string[], stdin: "null" | "piped" = "null"): Deno.ChildProcess {
  return command(args, { stdin, stdout: "piped", stderr: "piped" }).spawn();
}

/** Throws unless it ended with one line on stderr, nothing on stdout, and this exit code. */
export function assertRefused({ code, stdout, stderr }: Outcome, wanted: number, message: RegExp): void {
  assert.match(stderr, message);
  assert.match(stderr, /^[^\n]+\n$/);
  assert.is(stdout, "");
  assert.is(code, wanted);
}

/** What `generate --json` printed; throws where it failed. */
export function recordOf({ code, stdout, stderr }: Outcome): GenerationRecord {
  assert.is(code, 0, stderr);
  assert.match(stdout, /^[^\n]+\n$/);
  return JSON.parse(stdout);
}
