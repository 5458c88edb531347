import { dirname } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";

const runner = `${import.meta.dirname}/run.ts`;
const head = 'import { suite, test } from "uvu";\n';

/**
 * Runs the runner on a folder with these test files. The result has its exit code, its output and the last line of it.
 */
async function run(files: Record<string, string>, ...args: string[]) {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.symlink(`${import.meta.dirname}/../node_modules`, `${folder}/node_modules`);
    await Deno.writeTextFile(`${folder}/package.json`, "{}");
    for (const [path, text] of Object.entries(files)) {
      await Deno.mkdir(dirname(`${folder}/tests/${path}`), { recursive: true });
      await Deno.writeTextFile(`${folder}/tests/${path}`, text);
    }
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", runner, ...args],
      cwd: folder,
      stderr: "null",
    }).output();
    const output = new TextDecoder().decode(stdout);
    return { code, output, last: output.trimEnd().split("\n").at(-1) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const passing = `${head}test("a", () => {}); test("b", () => {}); test.skip("c", () => {}); test.run();`;
const failing = `${head}test("a", () => { throw new Error("seen whole"); }); test("b", () => {}); test.run();`;

test("the runner adds up files, and says so on its last line", async () => {
  const { code, output, last } = await run({
    "a.test.ts": passing,
    "deep/er/b.test.ts": passing,
    "helper.ts": "syntax error",
  });
  assert.is(last, "4 passed, 0 failed, 2 skipped");
  assert.is(code, 0);
  assert.match(output, /^ok +[\d.]+ s {2}tests\/deep\/er\/b\.test\.ts {2}2 passed, 0 failed, 1 skipped$/m);
});

test("a failing test fails the run, its file's output is shown", async () => {
  const { code, output, last } = await run({ "a.test.ts": passing, "b.test.ts": failing });
  assert.is(last, "3 passed, 1 failed, 1 skipped");
  assert.is(code, 1);
  assert.match(output, /seen whole/);
});

test("why tests were skipped is shown", async () => {
  const skipping = `${head}console.log("skipped, there is none"); test.skip("a", () => {}); test.run();`;
  const { code, output } = await run({ "a.test.ts": skipping });
  assert.match(output, /^ +skipped, there is none$/m);
  assert.is(code, 0);
});

test("several suites of one file count together", async () => {
  const body = `const s = suite("s"); s("a", () => {}); s.run(); test("b", () => {}); test.run();`;
  assert.is((await run({ "a.test.ts": head + body })).last, "2 passed, 0 failed, 0 skipped");
});

test("what uvu's exit code hides is a failure", async () => {
  const before = `${head}test.before(() => { throw new Error("x"); }); test("a", () => {}); test.run();`;
  const notAnError = `${head}test("a", () => { throw undefined; }); test.run();`;
  const { code, last } = await run({ "a.test.ts": before, "b.test.ts": notAnError });
  assert.is(last, "0 passed, 2 failed, 0 skipped");
  assert.is(code, 1);
});

test("a file that dies, hangs, says nothing or ends early is one failure, and the others still run", async () => {
  const { code, output, last } = await run({
    "crash.test.ts":
      `import process from "node:process"; process.kill(process.pid, "SIGABRT"); await new Promise(() => {});`,
    "syntax.test.ts": "this is no TypeScript",
    "silent.test.ts": `${head}test("never run", () => {});`,
    "stuck.test.ts": `${head}test("a", () => new Promise(() => {})); test.run();`,
    "empty.test.ts": `${head}test.run();`,
    "after.test.ts": `${head}test("a", () => {}); test.run(); setTimeout(() => { throw new Error("late"); }, 50);`,
    "z.test.ts": passing,
  });
  assert.is(last, "3 passed, 6 failed, 1 skipped");
  assert.is(code, 1);
  assert.match(output, /tests\/crash\.test\.ts ended by SIGABRT/);
  assert.match(output, /tests\/syntax\.test\.ts ended with exit code 1 and without a summary/);
  assert.match(output, /tests\/silent\.test\.ts ended with exit code 0 and without a summary/);
  assert.match(output, /tests\/stuck\.test\.ts ended with exit code 1 and without a summary/);
  assert.match(output, /tests\/empty\.test\.ts has no test/);
  assert.match(output, /tests\/after\.test\.ts ended with exit code 1 after its last test/);
});

test("a file past its time is ended with all that it started", async () => {
  const child = `new Deno.Command("sleep", { args: ["600"] }).spawn();`;
  const body = `${child} test("a", () => {}); test.run(); setInterval(() => {}, 1000);`;
  const { code, output, last } = await run({ "a.test.ts": head + body }, "--limit-s", "2");
  assert.is(last, "1 passed, 1 failed, 0 skipped");
  assert.is(code, 1);
  assert.match(output, /tests\/a\.test\.ts ran longer than 2 s/);
});

test("words choose files; where none matches, nothing passed", async () => {
  const files = { "gpu/a.test.ts": passing, "b.test.ts": failing };
  assert.is((await run(files, "gpu/", "nothing")).last, "2 passed, 0 failed, 1 skipped");
  const none = await run(files, "nothing");
  assert.is(none.last, "0 passed, 0 failed, 0 skipped");
  assert.is(none.code, 1);
});

test("--fast leaves out what is slow by its name, may come to a device, or starts Deno or a server", async () => {
  const child = `new Deno.Command(Deno.execPath(), { args: ["--version"] });`;
  const files = {
    "a.slow.test.ts": failing,
    "b.test.ts": `import "./deep/helper.ts"; ${failing}`,
    "deep/helper.ts": `export { x } from "../../src/c.ts";`,
    "../src/c.ts": `import "./gpu/dawn.ts"; export const x = 1;`,
    "../src/gpu/dawn.ts": "",
    "d.test.ts": `${failing} ${child}`,
    "s.test.ts": `${failing} Deno.serve(() => new Response());`,
    "f.test.ts": `${head}test("a", () => fetch("http://127.0.0.1:8099")); test.run();`,
    "e.test.ts": `import type { X } from "./deep/helper.ts"; // import "./deep/helper.ts";\n${passing}`,
  };
  const { code, output, last } = await run(files, "--fast");
  assert.is(last, "2 passed, 1 failed, 1 skipped");
  assert.is(code, 1);
  assert.match(output, "tests/e.test.ts");
  assert.match(output, /FAIL .*tests\/f\.test\.ts[^]*Requires net access/);
  assert.is((await run(files, "--fast", "d.test")).last, "0 passed, 0 failed, 0 skipped");
});

test("tests/peers is left to its own manifest", async () => {
  assert.is((await run({ "a.test.ts": passing, "peers/b.test.ts": failing })).last, "2 passed, 0 failed, 1 skipped");
});

test.run();
