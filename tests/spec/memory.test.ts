import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";

/** The bytes of heap that are left after a run of so many tokens. */
async function bytesAfter(tokens: number, ...how: readonly string[]): Promise<number> {
  const path = fileURLToPath(new URL("./memory-run.ts", import.meta.url));
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--v8-flags=--expose-gc", path, String(tokens), ...how],
  }).output();
  const bytes = tokens * Number(new TextDecoder().decode(stdout));
  assert.ok(bytes > 0, new TextDecoder().decode(stderr));
  return bytes;
}

test("a long run keeps its text and the lanes' caches, and nothing else a token", async () => {
  const bytes = await bytesAfter(50_000) / 50_000;
  // The text, what two simulated lanes hold and what the trace knows of that: five lists of numbers. A node or an event
  // would be 100 bytes and more.
  assert.ok(bytes < 90, `${bytes} bytes a token`);
});

test("so does a run with a chain, however often its middle lane begins anew", async () => {
  const [most, fewer] = [12_000, 6000];
  const bytes = (await bytesAfter(most, "chain") - await bytesAfter(fewer, "chain")) / (most - fewer);
  // A third lane, and what the chain was fed, are two lists more.
  assert.ok(bytes < 100, `${bytes} bytes a token`);
});

test.run();
