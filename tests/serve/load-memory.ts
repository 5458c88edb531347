// `deno run --v8-flags=--expose-gc load-memory.ts`: loads a server twice as long as before; prints the bytes of heap
// that each request of the second half has left. A test runs it in a process of its own.

import process from "node:process";
import { LoadedServer } from "./load.ts";

const REQUESTS = 700;
const server = await LoadedServer.open();
const heap = async () => {
  // What has ended is let go of by callbacks that come a little later.
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setTimeout(resolve, 0));
    (globalThis as { gc?: () => void }).gc!();
  }
  return process.memoryUsage().heapUsed;
};
await server.run(REQUESTS, 32, 1);
const before = await heap();
await server.run(REQUESTS, 32, 2);
console.log((await heap() - before) / REQUESTS);
