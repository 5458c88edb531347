import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";

test("a long run keeps its text and the lanes' caches, and nothing else a token", async () => {
  const path = fileURLToPath(new URL("./memory-run.ts", import.meta.url));
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--v8-flags=--expose-gc", path, "50000"],
  }).output();
  const bytes = Number(new TextDecoder().decode(stdout));
  assert.ok(bytes > 0, new TextDecoder().decode(stderr));
  // The text, what two simulated lanes hold and what the trace knows of that: five lists of numbers. A node or an event
  // would be 100 bytes and more.
  assert.ok(bytes < 90, `${bytes} bytes a token`);
});

test.run();
