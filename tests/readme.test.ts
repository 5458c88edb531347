// The commands of the README, in the order in which they stand there, as on a fresh clone.

import { test } from "uvu";
import * as assert from "uvu/assert";
import manifest from "../deno.json" with { type: "json" };
import "./untuned.ts";

const root = new URL("../", import.meta.url);
const page = await Deno.readTextFile(new URL("README.md", root));

/** Lines of code blocks: set in by four spaces, or after a prompt. */
const commands = [...page.matchAll(/^(?: {4}|\$ )((?:npx|deno) .*)$/gm)].map(([, command]) => command!);

/** So that a command takes seconds: flags with the values that they get here, by the program's command. */
const LIMITS: Record<string, Record<string, string>> = {
  generate: { "--max-tokens": "16" },
  benchmark: { "--max-tokens": "4", "--num-samples": "1" },
  plan: { "--tokens": "40", "--runs": "1" },
  monitor: { "--count": "1" },
  chat: { "--max-tokens": "4" },
  serve: { "--port": "0" },
};

function limited(args: string[]): string[] {
  const name = args[0]?.startsWith("--") ? "generate" : args[0]!;
  for (const [flag, value] of Object.entries(LIMITS[name] ?? {})) {
    const at = args.indexOf(flag);
    if (at >= 0) args.splice(at, 2);
    args.push(flag, value);
  }
  return args;
}

// A folder that has what a clone has, but for what commands have written there.
const clone = await Deno.makeTempDir();
for await (const { name } of Deno.readDir(root)) {
  if (!["results", ".git"].includes(name)) await Deno.symlink(new URL(name, root), `${clone}/${name}`);
}
test.after(() => Deno.remove(clone, { recursive: true }));

test("all commands of the page stand in its code blocks, and begin alike", () => {
  const runs = commands.filter((command) => command.includes("deno run"));
  assert.is(runs.length, page.split("deno run").length - 1);
  for (const command of commands) assert.match(command, /^npx -y deno (run -A cli\.ts|task) /);
});

test("the tasks that the page names are there", () => {
  for (const [, task] of page.matchAll(/\bdeno task ([\w:]+)/g)) assert.ok(task! in manifest.tasks, task);
});

/** What a command prints to its end; a chat is told one line, and a server is ended once it tells its address. */
async function finished(args: string[], child: Deno.ChildProcess) {
  const stdin = child.stdin.getWriter();
  if (args[0] === "chat") await stdin.write(new TextEncoder().encode("Hello\n"));
  await stdin.close();
  const stderr = new Response(child.stderr).text();
  let stdout = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    stdout += text;
    if (args[0] === "serve") child.kill("SIGTERM");
  }
  return { code: (await child.status).code, stdout, stderr: await stderr };
}

for (const command of commands) {
  const isTask = command.startsWith("npx -y deno task ");
  if (isTask) console.log(`skipped: "${command}": it runs this file too`);
  (isTask ? test.skip : test)(command, async () => {
    // The Deno that runs this file, in place of the one that npx fetches.
    const args = command.replace("npx -y deno run -A cli.ts", "").trim().split(/ +/);
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "cli.ts", ...limited(args)],
      cwd: clone,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const { code, stdout, stderr } = await finished(args, child);
    // Windows has no signal by which a server ends in order.
    if (args[0] !== "serve" || Deno.build.os !== "windows") assert.is(code, 0, stderr);
    assert.ok(stdout.length > 0);
    if (!args[0]!.startsWith("--")) return;
    const figure = "\\d+\\.\\d";
    const speedup = `(, ${figure}\\d times greedy \\(${figure} ms measured here[\\w ]*\\))?`;
    assert.match(
      stderr,
      new RegExp(`^amusd: 16 tokens, ${figure} ms/token${speedup}, first after \\d+ ms$`, "m"),
      "as it shows the summary",
    );
  });
}

test.run();
