// The chat as a process without a terminal: each line of standard input is a message or a command.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { at, MODELS } from "./fixture.ts";
import { FOREIGN_LINES, spawn } from "./host.ts";

/** Says these lines, and gives what came. */
async function chat(lines: readonly string[], ...args: string[]) {
  const child = spawn(["chat", ...MODELS, "--max-tokens", "8", ...args], "piped");
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(lines.join("\n") + "\n"));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, stdout: out!, stderr: err!.replaceAll(FOREIGN_LINES, "") };
}

test("each line is answered, without colours, with its figures on stderr", async () => {
  const { code, stdout, stderr } = await chat(["Hello", "And?"]);
  assert.is(code, 0);
  assert.not.match(stdout, /\x1b/);
  const figures = stderr.trim().split("\n");
  assert.is(figures.length, 2);
  for (const line of figures) {
    assert.match(line, /^8 tokens, \d+\.\d ms a token, (no drafts|\d+ of \d+ drafted accepted), \d+ cached$/);
  }
  // The second turn feeds only what is new.
  const [first, second] = figures.map((line) => Number(/(\d+) cached/.exec(line)![1]));
  assert.is(first, 0);
  assert.ok(second! > 8, figures[1]);
});

test("the commands do what the help says", async () => {
  const file = at("chat.json");
  const trace = at("chat-trace.json");
  const { code, stdout, stderr } = await chat([
    "/help",
    "/system Be brief.",
    `/trace ${trace}`,
    "Hello",
    `/save ${file}`,
    "/regen",
    "/set temperature 0.5",
    "/set",
    "/strategy greedy",
    "/stats",
    "/race",
    "/undo",
    "/undo",
    "/regen",
    `/load ${file}`,
    "/clear",
    "/nope",
    "/set temperature hot",
    "/load /nowhere",
    "/exit",
    "never said",
  ]);
  assert.is(code, 0);
  for (
    const wanted of [
      /^\/help +these commands$/m,
      /^temperature +0\.5$/m,
      /^2 answers, 16 tokens, /m,
      /^greedy \d+\.\d ms a token, amusd \d+\.\d: \d+\.\d\d times as fast; the same text$/m,
      /^There is nothing to take back$/m,
      /^There was no question yet$/m,
      /^3 messages$/m,
      /^There is no \/nope; \/help lists all commands$/m,
      /^"hot" is none; a number of 0 or more is wanted$/m,
      /^Cannot load "\/nowhere": there is no such file; check the path$/m,
    ]
  ) assert.match(stderr, wanted);
  assert.not.match(stderr, /never said/);
  // One answer, the same again, and two of the race.
  const answers = stdout.split("\n").slice(0, -1);
  assert.is(answers.length, 4);
  assert.is(answers[0], answers[1]);
  assert.is(answers[2], answers[3]);
  const { messages } = JSON.parse(await Deno.readTextFile(file));
  assert.equal(messages, [
    { role: "system", content: "Be brief." },
    { role: "user", content: "Hello" },
    { role: "assistant", content: messages[2].content },
  ]);
  assert.ok(JSON.parse(await Deno.readTextFile(trace)).traceEvents.length > 5);
});

test("a message may have several lines", async () => {
  const file = at("lines.json");
  await chat(['"""', "one", "two", '"""', "three\\", "four", `/save ${file}`]);
  const { messages } = JSON.parse(await Deno.readTextFile(file));
  assert.equal(
    messages.filter(({ role }: { role: string }) => role === "user").map(({ content }: { content: string }) => content),
    ["one\ntwo", "three\nfour"],
  );
});

test("without a server at the address one line says so, and the exit code is that of a chat", async () => {
  const { code, stderr } = await chat(["Hello"], "--server", "http://127.0.0.1:9");
  assert.match(stderr, /^Cannot reach the server at http:\/\/127\.0\.0\.1:9\/v1: .*; start one with "amusd serve"\n$/);
  assert.is(code, 0);
});

test.run();
