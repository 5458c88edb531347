// The server as a process: what it prints, whom it refuses to begin with, and how it ends.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { at, MODELS, onUnix, write } from "./fixture.ts";
import { amusd, assertRefused, FOREIGN_LINES, spawn } from "./host.ts";

/** Starts a server on a free port, and gives its address once it answers. */
async function start(...args: string[]) {
  const child = spawn(["serve", ...MODELS, "--port", "0", ...args]);
  const [own, rest] = child.stdout.tee();
  let text = "";
  for await (const chunk of own.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (text.includes("\n")) break;
  }
  const url = text.trim();
  assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/v1$/);
  const end = async (signal: Deno.Signal) => {
    child.kill(signal);
    const { code } = await child.status;
    const stderr = await new Response(child.stderr).text();
    await rest.cancel();
    return { code, stderr: stderr.replaceAll(FOREIGN_LINES, "") };
  };
  return { url, end };
}

const ask = (url: string, more = {}, headers: Record<string, string> = {}) =>
  fetch(`${url}/chat/completions`, {
    method: "POST",
    headers,
    body: JSON.stringify({ messages: [{ role: "user", content: "Hello" }], max_tokens: 8, temperature: 0, ...more }),
  });

onUnix("a server answers on a port, logs one line a request, and ends with the answer under way", async () => {
  const { url, end } = await start();
  const whole = await (await ask(url)).json();
  assert.is(whole.usage.completion_tokens, 8);
  const streamed = await ask(url, { stream: true, max_tokens: 100 });
  const text = streamed.text();
  const { code, stderr } = await end("SIGTERM");
  assert.match(await text, /data: \[DONE\]\n\n$/);
  assert.is(code, 0);
  const lines = stderr.trim().split("\n");
  assert.match(lines[0]!, /^Listening; try: curl http:/);
  assert.equal(lines.slice(1).map((line) => line.split(" ")[0]!.slice(0, 9)), ["chatcmpl-", "chatcmpl-"]);
});

onUnix("a client that hangs up frees the engine", async () => {
  const { url, end } = await start("--quiet");
  const leave = new AbortController();
  const left = await fetch(`${url}/chat/completions`, {
    method: "POST",
    signal: leave.signal,
    body: JSON.stringify({ messages: [{ role: "user", content: "Hello" }], max_tokens: 200, stream: true }),
  });
  const reader = left.body!.getReader();
  await reader.read();
  leave.abort();
  assert.is((await (await ask(url)).json()).usage.completion_tokens, 8);
  assert.equal(await (await fetch(url.replace("/v1", "/health"))).json(), { status: "ok", drafting: true });
  assert.is((await end("SIGINT")).code, 0);
});

onUnix("keys may come from a file, and a port that is taken is told", async () => {
  const { url, end } = await start("--quiet", "--api-key-file", write("keys", "one\n\ntwo\n"));
  assert.is((await ask(url)).status, 401);
  assert.is((await ask(url, {}, { authorization: "Bearer two" })).status, 200);
  const { port } = new URL(url);
  assertRefused(
    await amusd("serve", ...MODELS, "--port", port),
    2,
    /^Cannot listen on 127\.0\.0\.1:\d+: another program/,
  );
  assert.is((await end("SIGTERM")).code, 0);
});

test("a key file that is missing or empty is refused before anything is loaded", async () => {
  assertRefused(
    await amusd("serve", "--api-key-file", at("none")),
    2,
    /^Cannot read the keys ".*": ENOENT; check the path/,
  );
  assertRefused(
    await amusd("serve", "--api-key-file", write("empty", "\n")),
    2,
    /^Cannot use the keys ".*": it has none/,
  );
});

test("a record is certified, and one that was changed is not", async () => {
  const record = at("record.json");
  const generated = await amusd("generate", ...MODELS, "--prompt", "Hi", "--max-tokens", "20", "--output-file", record);
  assert.is(generated.code, 0, generated.stderr);
  const verify = MODELS.slice(0, 2);
  assert.equal(await amusd("certify", record, ...verify), {
    code: 0,
    stdout: "certified: 20 of 20 tokens\n",
    stderr: "",
  });
  const changed = JSON.parse(await Deno.readTextFile(record));
  changed.tokens[7] = (changed.tokens[7] + 1) % 280;
  const { code, stdout } = await amusd("certify", write("changed.json", JSON.stringify(changed)), ...verify);
  assert.is(code, 1);
  assert.match(stdout, /^certified: 7 of 20 tokens; at token 7 the model chooses \d+, the record has \d+\n$/);
  assertRefused(await amusd("certify", write("none.json", "{}"), ...verify), 2, /it has no "promptTokens"/);
  const other = { ...changed, modelHash: "00" };
  assertRefused(
    await amusd("certify", write("other.json", JSON.stringify(other)), ...verify),
    1,
    /^Cannot certify: another model wrote this/,
  );
});

test.run();
