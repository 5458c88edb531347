// The server on a port of this machine, on simulated lanes: for suites that look at the form of answers and need many.
//   deno run -A tests/serve/simulated-server.ts
// prints its address, and serves until it is ended.

import { serve } from "@hono/node-server";
import { createHandler } from "../../src/serve/handler.ts";
import { simulatedEngine } from "./simulated-engine.ts";

const engine = await simulatedEngine({ verify: { decodeMs: 0, verifyMs: () => 0 }, draft: { decodeMs: 0 } });
const server = serve(
  { fetch: createHandler(engine, { isLoopback: true }), hostname: "127.0.0.1", port: 0 },
  ({ port }) => {
    console.log(`http://127.0.0.1:${port}`);
  },
);
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, () => server.close(() => Deno.exit()));
}
