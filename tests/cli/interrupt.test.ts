// `generate` is ended early: by Ctrl-C, and by a reader that goes away.

import { test } from "uvu";
import * as assert from "uvu/assert";
import type { GenerationRecord } from "../../src/engine/generation-run.ts";
import { randomModel } from "../random-models.ts";
import { at, draftPath, onUnix, write } from "./fixture.ts";
import { finish, FOREIGN_LINES, spawn } from "./host.ts";

/** A run that takes longer than any test. */
function endless(...args: string[]): Deno.ChildProcess {
  Deno.writeFileSync(at("endless.gguf"), randomModel({ metadata: [["llama.context_length", "u32", 100_000]] }));
  const model = ["--verify-model-path", at("endless.gguf"), "--draft-model-path", draftPath];
  return spawn([...model, "--raw", "--max-tokens", "90000", ...args]);
}

/** Reads until the text is `enough`; returns that text and a promise of the rest. */
async function readSome(
  stream: Deno.ChildProcess["stdout"],
  enough: (text: string) => boolean,
): Promise<{ some: string; rest: Promise<string> }> {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let some = "";
  while (!enough(some)) {
    const { value, done } = await reader.read();
    if (done) break;
    some += value;
  }
  const readRest = async () => {
    let rest = "";
    for (let chunk; !(chunk = await reader.read()).done;) rest += chunk.value;
    return rest;
  };
  return { some, rest: readRest() };
}

onUnix("Ctrl-C ends a run in order: text, record, summary, code 130", async () => {
  const child = endless("--prompt", "The", "--output-file", at("aborted.json"));
  const stderr = new Response(child.stderr).text();
  const { some, rest } = await readSome(child.stdout, (text) => text.length >= 20);
  child.kill("SIGINT");
  const stdout = some + await rest;
  const { code } = await child.status;
  assert.match(
    (await stderr).replaceAll(FOREIGN_LINES, ""),
    /^amusd: \d+ tokens \(abort\), [^]*both busy at once: .*\n$/,
  );
  assert.is(code, 130);
  const record: GenerationRecord = JSON.parse(Deno.readTextFileSync(at("aborted.json")));
  assert.is(record.finishReason, "abort");
  assert.is(record.text + "\n", stdout);
});

const withProc = Deno.build.os === "linux" ? test : test.skip;

withProc("a second Ctrl-C ends at once", async () => {
  const child = endless("--prompt-file", write("long.txt", "0 ".repeat(5000)));
  const outcome = finish(child);
  const sleep = () => new Promise((resolve) => setTimeout(resolve, 20));
  const holdsModel = () =>
    [...Deno.readDirSync(`/proc/${child.pid}/fd`)].some(({ name }) => {
      try {
        return Deno.readLinkSync(`/proc/${child.pid}/fd/${name}`).endsWith(".gguf");
      } catch {
        // It has been closed since.
        return false;
      }
    });
  // Once the models are loaded the run feeds the prompt, for a second or more, before it notices the first signal.
  while (!holdsModel()) await sleep();
  while (holdsModel()) await sleep();
  let ended = false;
  child.status.then(() => ended = true);
  while (!ended) {
    try {
      child.kill("SIGINT");
    } catch {
      // The process has ended.
      break;
    }
    await sleep();
  }
  const { code, stdout, stderr } = await outcome;
  assert.is(code, 130);
  assert.is(stdout + stderr, "");
});

onUnix("a reader that goes away ends the run quietly", async () => {
  const child = endless("--prompt", "The");
  const stderr = new Response(child.stderr).text();
  const reader = child.stdout.getReader();
  await reader.read();
  await reader.cancel();
  const { code } = await child.status;
  assert.is((await stderr).replaceAll(FOREIGN_LINES, ""), "");
  assert.is(code, 0);
});

test.run();
