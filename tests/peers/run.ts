// Other people's clients and test suites against this program: `deno task test:peers [SUITE ...]`.
//
// Each suite installs what it needs from npm and PyPI when it first runs, into folders that git ignores, and runs in a
// process of its own. It takes npm, git, tar and Python 3.10 or later with venv. What a failed suite printed comes at
// once, the table of what passed at the end.

import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const root = fileURLToPath(new URL("../../", import.meta.url));
const cache = `${here}.cache`;
const venv = `${cache}/python`;
const python = `${venv}/${Deno.build.os === "windows" ? "Scripts/python.exe" : "bin/python"}`;

/** llama.cpp's sources lie in this package of npm, as a git bundle. */
const LLAMA_CPP_PACKAGE = "node-llama-cpp@3.22.1";
/** One suite takes a quarter of an hour on two idle cores. */
const LIMIT_S = 5400;

/** How amusd is started, for suites in Python. */
const AMUSD_COMMAND = JSON.stringify([Deno.execPath(), "run", "-A", `${root}cli.ts`]);

interface Ended {
  readonly code: number;
  readonly output: string;
}

let current: Deno.ChildProcess | undefined;

function kill(child: Deno.ChildProcess): void {
  try {
    if (Deno.build.os === "windows") child.kill("SIGKILL");
    // The servers that it started are in its process group.
    else Deno.kill(-child.pid, "SIGKILL");
  } catch {
    // It has ended already.
  }
}

/** Runs a command to its end, at most LIMIT_S long, and ends all that it started. */
async function run(command: readonly string[], cwd = here, env: Record<string, string> = {}): Promise<Ended> {
  const child = new Deno.Command(command[0]!, {
    args: command.slice(1),
    cwd,
    env: { NO_COLOR: "1", PYTHONDONTWRITEBYTECODE: "1", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    detached: true,
  }).spawn();
  current = child;
  let output = "";
  const read = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) output += text;
  };
  const reading = Promise.all([read(child.stdout), read(child.stderr)]);
  const timer = setTimeout(() => {
    output += `\nran longer than ${LIMIT_S} s\n`;
    kill(child);
  }, LIMIT_S * 1000);
  const { code } = await child.status;
  clearTimeout(timer);
  kill(child);
  await reading;
  return { code, output };
}

/** The same for a step of an installation. Throws an Error with what it printed where it fails. */
async function must(command: readonly string[], cwd = here): Promise<void> {
  let ended: Ended;
  try {
    ended = await run(command, cwd);
  } catch (error) {
    throw new Error(`Cannot run "${command[0]}": ${(error as Error).message}; install it`);
  }
  if (ended.code !== 0) throw new Error(`${ended.output}\n"${command.join(" ")}" ended with exit code ${ended.code}`);
}

const exists = (path: string) => Deno.stat(path).then(() => true, () => false);

/** The packages of the manifest in a folder. */
const installNpm = (folder: string) => must(["npm", "install", "--no-package-lock", "--no-audit", "--no-fund"], folder);

/** A Python with the packages of requirements.txt, made anew when that has changed. */
async function installPython(): Promise<void> {
  const wanted = await Deno.readTextFile(`${here}python/requirements.txt`);
  const stamp = `${venv}/requirements.txt`;
  if (await Deno.readTextFile(stamp).catch(() => "") === wanted) return;
  await must([Deno.build.os === "windows" ? "python" : "python3", "-m", "venv", "--clear", venv]);
  await must([python, "-m", "pip", "install", "--quiet", "--requirement", `${here}python/requirements.txt`]);
  await Deno.writeTextFile(stamp, wanted);
}

const llamaCpp = `${cache}/${LLAMA_CPP_PACKAGE}/llama.cpp`;

async function installLlamaCpp(): Promise<void> {
  await installPython();
  if (await exists(llamaCpp)) return;
  const folder = `${cache}/${LLAMA_CPP_PACKAGE}`;
  await Deno.mkdir(folder, { recursive: true });
  await must(["npm", "pack", "--silent", LLAMA_CPP_PACKAGE], folder);
  const bundle = "package/llama/gitRelease.bundle";
  await must(["tar", "xzf", `${LLAMA_CPP_PACKAGE.replace("@", "-")}.tgz`, bundle], folder);
  await must(["git", "clone", "--quiet", bundle, "unfinished"], folder);
  await Deno.rename(`${folder}/unfinished`, llamaCpp);
}

/** The suite's own counts, out of its last lines. */
const counted = (output: string, pattern: RegExp) => pattern.exec(output)?.[1]?.replace(/\s+/g, " ").trim() ?? "";

interface Outcome extends Ended {
  readonly counts: string;
}

async function uvu(test: string): Promise<Outcome> {
  const ended = await run([Deno.execPath(), "run", "-A", test]);
  const passed = counted(ended.output, /^ {2}Passed: +(\d+)$/m);
  // Its exit code alone is not to be trusted.
  const isOk = ended.code === 0 && passed !== "" && passed === counted(ended.output, /^ {2}Total: +(\d+)$/m);
  return { ...ended, code: isOk ? 0 : 1, counts: `${passed || "none"} passed` };
}

async function pytest(args: readonly string[], cwd: string, plugins: string[] = []): Promise<Outcome> {
  const ended = await run([python, "-m", "pytest", "-q", "--tb", "short", "--timeout", "900", ...args], cwd, {
    AMUSD_COMMAND,
    PYTHONPATH: plugins.join(Deno.build.os === "windows" ? ";" : ":"),
  });
  return { ...ended, counts: counted(ended.output, /^=* ?((?:\d+ \w+(?:, )?)+) in [\d.]+s.*$/m) };
}

/** A server on simulated lanes: the suite looks at the form of thousands of answers. */
async function schemathesis(): Promise<Outcome> {
  const server = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", `${root}tests/serve/simulated-server.ts`],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  try {
    const reader = server.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const address = (await reader.read()).value?.trim();
    if (!address) throw new Error("the simulated server did not start");
    const command = [python, "-m", "schemathesis.cli", "run", `${address}/openapi.json`, "--checks", "all"];
    // A request can fit the schema and still be refused: a token that the vocabulary lacks, a prompt that is too long.
    const options = ["--exclude-checks", "positive_data_acceptance", "--phases", "examples,coverage,fuzzing"];
    const ended = await run(
      [...command, ...options, "--max-examples", "40", "--seed", "1", "--warnings", "off"],
      cache,
      {
        SCHEMATHESIS_HOOKS: "open_api_hooks",
        PYTHONPATH: `${here}python`,
      },
    );
    return { ...ended, counts: counted(ended.output, /^Test cases:\n([^\n]*)/m) };
  } finally {
    server.kill("SIGTERM");
    await server.status;
  }
}

interface Suite {
  /** What it is, for people. */
  readonly what: string;
  readonly install: () => Promise<void>;
  readonly run: () => Promise<Outcome>;
}

const SUITES: Readonly<Record<string, Suite>> = {
  clients: {
    what: "openai, ai and @langchain/openai of npm",
    install: () => installNpm(`${here}clients`),
    run: () => uvu("clients/clients.test.ts"),
  },
  tokenizers: {
    what: "tokenizers of npm",
    install: () => installNpm(`${here}tokenizers`),
    run: () => uvu("tokenizers/tokenizers.test.ts"),
  },
  python: {
    what: "openai, litellm, llm, langchain-openai, langchain-tests and lm-eval of PyPI",
    install: installPython,
    run: () => pytest([], `${here}python`),
  },
  "open-api": { what: "schemathesis over /openapi.json", install: installPython, run: schemathesis },
  "llama-cpp": {
    what: "llama.cpp's server tests",
    install: installLlamaCpp,
    run: async () => {
      const tests = `${llamaCpp}/tools/server/tests`;
      return await pytest(["-p", "amusd_server", "--rootdir", tests, "unit"], tests, [`${here}llama-cpp`, tests]);
    },
  },
};

const chosen = Deno.args.length > 0 ? Deno.args : Object.keys(SUITES);
const stray = chosen.find((name) => !(name in SUITES));
if (stray !== undefined) {
  console.error(`Cannot run "${stray}": there is no such suite; there are ${Object.keys(SUITES).join(", ")}`);
  Deno.exit(2);
}

// A Ctrl-C does not reach what runs, which leads a process group of its own.
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, () => {
    if (current) kill(current);
    Deno.exit(130);
  });
}

await Deno.mkdir(cache, { recursive: true });
const lines: string[] = [];
let failed = 0;
for (const name of chosen) {
  const { what, install, run } = SUITES[name]!;
  console.error(`${name}: ${what}`);
  const start = performance.now();
  let outcome: Outcome;
  try {
    await install();
    outcome = await run();
  } catch (error) {
    outcome = { code: 1, output: (error as Error).message, counts: "did not run" };
  }
  if (outcome.code !== 0) {
    failed++;
    console.log(`${outcome.output.trimEnd()}\n`);
  }
  const seconds = ((performance.now() - start) / 1000).toFixed(0).padStart(5);
  lines.push(`${outcome.code === 0 ? "ok  " : "FAIL"} ${seconds} s  ${name.padEnd(10)}  ${outcome.counts} (${what})`);
}
console.log(lines.join("\n"));
Deno.exit(failed > 0 ? 1 : 0);
