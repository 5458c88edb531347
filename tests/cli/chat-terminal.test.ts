// The chat at a terminal, key by key, with a server whose lanes are simulated and can be held: nothing depends on how
// fast anything is.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { createHandler } from "../../src/serve/handler.ts";
import type { Clock } from "../../src/spec/clock.ts";
import { simulatedEngine } from "../serve/simulated-engine.ts";
import { atTerminal } from "./host.ts";

// macOS has another `script`, Windows none.
const hasTerminal = await new Deno.Command("script", { args: ["--version"] }).output()
  .then(({ stdout }) => new TextDecoder().decode(stdout).includes("util-linux"), () => false);
if (!hasTerminal) console.log("skipped, there is no script of util-linux here: the chat is not tried at a terminal");
const check = hasTerminal ? test : test.skip;

const folder = await Deno.makeTempDir();
test.after(() => Deno.remove(folder, { recursive: true }));
const at = (name: string) => `${folder}/${name}`;

/** While it is held, an answer doesn't go on. */
let held: Promise<void> | undefined;
let release = () => {};
const hold = () => void (held = new Promise((resolve) => release = resolve));
const clock: Clock = {
  now: () => performance.now(),
  sleep: async () => await (held ?? new Promise((resolve) => setTimeout(resolve, 0))),
};
/** Held from this many tokens of text on. */
let holdsAt = Infinity;
const WORDS = "the sea is blue and the wind is cold ";
const engine = await simulatedEngine({
  clock,
  next: (text) => {
    if (text.length >= holdsAt) {
      holdsAt = Infinity;
      hold();
    }
    return WORDS.charCodeAt(text.length % WORDS.length);
  },
});
const handler = createHandler(engine);
const ending = new AbortController();
const server = Deno.serve(
  { port: 0, hostname: "127.0.0.1", onListen: () => {}, signal: ending.signal },
  (request) => handler(request),
);
test.after(() => {
  ending.abort();
  // A test that failed has left its chat.
  for (const child of children) child.kill();
});
const address = `http://127.0.0.1:${server.addr.port}`;

const KEYS = { enter: "\r", up: "\x1b[A", left: "\x1b[D", tab: "\t", ctrlC: "\x03", ctrlD: "\x04", ctrlU: "\x15" };
const pasted = (text: string) => `\x1b[200~${text.replaceAll("\n", "\r")}\x1b[201~`;

const children = new Set<Deno.ChildProcess>();

/** A chat at a terminal. */
class Terminal {
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reader: ReadableStreamDefaultReader<string>;
  /** What was shown since the last wait. */
  #shown = "";

  constructor(maxTokens = "12") {
    this.#child = atTerminal(["chat", "--server", address, "--max-tokens", maxTokens], {
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
      env: { XDG_CACHE_HOME: folder, NO_COLOR: "" },
    }).spawn();
    children.add(this.#child);
    this.#child.status.then(() => children.delete(this.#child));
    this.#writer = this.#child.stdin.getWriter();
    this.#reader = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** All at once, as keys come from afar. */
  async type(...keys: readonly string[]): Promise<void> {
    await this.#writer.write(new TextEncoder().encode(keys.join("")));
  }

  /** Waits until that is shown, and takes all up to there off. Throws where the chat ends before. */
  async until(wanted: string | RegExp): Promise<string> {
    for (;;) {
      const found = typeof wanted === "string" ? this.#shown.indexOf(wanted) : this.#shown.search(wanted);
      if (found >= 0) {
        const length = typeof wanted === "string" ? wanted.length : wanted.exec(this.#shown)![0].length;
        const shown = this.#shown.slice(0, found + length);
        this.#shown = this.#shown.slice(found + length);
        return shown;
      }
      const { done, value } = await this.#reader.read();
      if (done) throw new Error(`${wanted} was not shown, but ${JSON.stringify(this.#shown)}`);
      this.#shown += value;
    }
  }

  /** Waits for the line to be typed on. */
  async prompt(): Promise<string> {
    return await this.until(/> \x1b\[3G/);
  }

  /** Types a line, and gives what is shown up to the next prompt. */
  async say(line: string): Promise<string> {
    await this.type(line, KEYS.enter);
    // The typed line is shown with the prompt again and again.
    await this.until("\r\n");
    return await this.prompt();
  }

  /** What is shown up to the end, and the exit code. */
  async end(): Promise<{ readonly shown: string; readonly code: number }> {
    for (;;) {
      const { done, value } = await this.#reader.read();
      if (done) break;
      this.#shown += value;
    }
    await this.#writer.close().catch(() => {});
    return { shown: this.#shown, code: (await this.#child.status).code };
  }
}

async function saved(terminal: Terminal): Promise<{ readonly role: string; readonly content: string }[]> {
  await terminal.say(`/save ${at("chat.json")}`);
  return JSON.parse(await Deno.readTextFile(at("chat.json"))).messages;
}

const plain = (shown: string) => shown.replace(/\x1b\[[\d;?]*[A-Za-z]/g, "");

check("a person types, edits, recalls and pastes messages", async () => {
  const terminal = new Terminal();
  const greeting = plain(await terminal.prompt());
  assert.match(greeting, /\/help lists the commands, Ctrl-D leaves\r?\n/);
  assert.match(greeting, /\ndrafted, accepted, in place of a draft, behind the drafts, without drafts\r?\n/);
  const answer = await terminal.say("Hello");
  assert.match(answer, /\x1b\[3[236]m/, "in colours");
  assert.match(plain(answer), /12 tokens, \d+\.\d ms a token, \d+ of \d+ drafted accepted, 0 cached\r?\n/);
  await terminal.type(KEYS.up, KEYS.left, KEYS.left, "-", KEYS.enter);
  await terminal.until("\r\n");
  await terminal.prompt();
  await terminal.type(pasted("one\n\tzwö\nthree"), "!", KEYS.enter);
  await terminal.until("\r\n");
  await terminal.prompt();
  await terminal.type('"""', KEYS.enter);
  await terminal.until("... ");
  await terminal.type("four", KEYS.enter, '"""', KEYS.enter);
  await terminal.prompt();
  await terminal.type("five\\", KEYS.enter);
  await terminal.until("... ");
  await terminal.type("six", KEYS.enter);
  await terminal.prompt();
  const questions = (await saved(terminal)).filter(({ role }) => role === "user").map(({ content }) => content);
  assert.equal(questions, ["Hello", "Hel-lo", "one\n\tzwö\nthree!", "four", "five\nsix"]);
  await terminal.type(KEYS.ctrlD);
  const { shown, code } = await terminal.end();
  assert.is(code, 0);
  assert.match(shown, /\x1b\[\?2004l/, "the terminal marks pastes no more");
});

check("Ctrl-C stops an answer and keeps what came, at the prompt it clears the line", async () => {
  const terminal = new Terminal("150");
  await terminal.prompt();
  holdsAt = 60;
  await terminal.type("Hello", KEYS.enter);
  await terminal.until("\r\n");
  // Some of the answer is there.
  await terminal.until(/[a-z]\x1b/);
  await terminal.type(KEYS.ctrlC);
  const shown = plain(await terminal.prompt());
  release();
  held = undefined;
  holdsAt = Infinity;
  assert.match(shown, /\n\(stopped\)\r?\n> $/);
  await terminal.type("never sent");
  await terminal.until("never sent");
  await terminal.type(KEYS.ctrlC);
  assert.match(plain(await terminal.prompt()), /\(Ctrl-D leaves\)/);
  await terminal.say("/set max_tokens 3");
  await terminal.type("St", KEYS.left, pasted("en"), KEYS.enter);
  await terminal.until("\r\n");
  await terminal.prompt();
  const messages = await saved(terminal);
  assert.equal(messages.map(({ role }) => role), ["user", "assistant", "user", "assistant"]);
  assert.ok(messages[1]!.content.length > 0 && messages[1]!.content.length < 150);
  assert.is(messages[2]!.content, "Sent");
  holdsAt = 90;
  await terminal.say("/set max_tokens 100");
  await terminal.type("Hello", KEYS.enter);
  await terminal.until("\r\n");
  await terminal.until(/[a-z]\x1b/);
  await terminal.type(KEYS.ctrlD);
  assert.is((await terminal.end()).code, 0, "Ctrl-D leaves an answer too");
  release();
  held = undefined;
});

check("each command does what the help says", async () => {
  const terminal = new Terminal();
  await terminal.prompt();
  const help = plain(await terminal.say("/help"));
  const commands = "/help /clear /regen /undo /save /load /system /set /strategy /stats /trace /race /tokens /exit";
  for (const command of commands.split(" ")) assert.match(help, new RegExp(`^${command}\\b`, "m"));
  await terminal.type("/he", KEYS.tab);
  await terminal.until("/help");
  await terminal.type(KEYS.ctrlU);
  await terminal.say("/system Be brief.");
  await terminal.say(`/trace ${at("trace.json")}`);
  assert.match(plain(await terminal.say("Hello")), /Trace written to /);
  assert.ok(JSON.parse(await Deno.readTextFile(at("trace.json"))).traceEvents.length > 5);
  const first = await saved(terminal);
  assert.equal(first.map(({ role }) => role), ["system", "user", "assistant"]);
  await terminal.say("/regen");
  assert.equal(await saved(terminal), first);
  await terminal.say("/set max_tokens 5");
  assert.match(plain(await terminal.say("/set")), /max_tokens +5\r?\n/);
  assert.match(plain(await terminal.say("/set top_k many")), /"many" is none/);
  await terminal.say("/strategy sd");
  assert.match(plain(await terminal.say("/strategy fast")), /"fast" is none; greedy, sd, amusd are there/);
  assert.match(plain(await terminal.say("/stats")), /2 answers, 24 tokens, /);
  assert.match(plain(await terminal.say("/race")), /times as fast; the same text/);
  assert.match(plain(await terminal.say("/tokens")), /Tokens are plain/);
  assert.not.match(await terminal.say("And?"), /\x1b\[3[236]m/);
  assert.match(await terminal.say("/tokens"), /\x1b\[32mdrafted, accepted/);
  await terminal.say("/undo");
  await terminal.say("/undo");
  assert.match(plain(await terminal.say("/undo")), /There is nothing to take back/);
  await terminal.say("/clear");
  assert.equal((await saved(terminal)).map(({ role }) => role), ["system"]);
  await Deno.writeTextFile(at("other.json"), JSON.stringify({ messages: first }));
  assert.match(plain(await terminal.say(`/load ${at("other.json")}`)), /3 messages/);
  assert.equal(await saved(terminal), first);
  await terminal.type("/exit", KEYS.enter);
  assert.is((await terminal.end()).code, 0);
  // What was typed is there the next time.
  const next = new Terminal();
  await next.prompt();
  await next.type(KEYS.up);
  await next.until("/exit");
  await next.type(KEYS.ctrlU, KEYS.ctrlD);
  assert.is((await next.end()).code, 0);
});

test.run();
