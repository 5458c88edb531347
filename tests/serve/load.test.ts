// The server under load: many clients at once, of which some leave at any moment.

import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { LoadedServer } from "./load.ts";

test("2000 requests of 32 clients are answered in their order, and nothing is left behind", async () => {
  const seed = crypto.getRandomValues(new Uint32Array(1))[0]!;
  const server = await LoadedServer.open();
  const figures = await server.run(2000, 32, seed).catch((error) => {
    error.message += ` (seed ${seed})`;
    throw error;
  });
  for (const [what, count] of Object.entries(figures)) assert.ok(count > 20, `${what}: ${count} (seed ${seed})`);
});

test("answers leave nothing in memory", async () => {
  const path = fileURLToPath(new URL("./load-memory.ts", import.meta.url));
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--v8-flags=--expose-gc", path],
  }).output();
  const bytes = Number(new TextDecoder().decode(stdout));
  assert.ok(Number.isFinite(bytes), new TextDecoder().decode(stderr));
  assert.ok(bytes < 700, `${bytes} bytes a request`);
});

test.run();
