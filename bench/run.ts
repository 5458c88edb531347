// The benchmark, in one command:
//
//   deno task bench [speed] [formats] [overlap] [strategies] [monitor-cost] [serve] [--json FILE] [--runs N] [--quick]
//
// - speed: one model's passes, beside llama.cpp on the same device and on the CPU; how long a process takes to start.
// - formats: decode steps and verifications by weight format.
// - overlap: two models on two devices at once, in one process and in two.
// - strategies: greedy, sd and amusd on the oracle's prompts, beside an ideal machine. (`amusd benchmark` times them
//   on any dataset and keeps results; this part needs the oracle's tokens.)
// - monitor-cost: what it costs to watch the devices meanwhile.
// - serve: what the server costs a token; and 200 requests of 32 clients at once.
//
// All that is compared takes turns within the rounds of one process, on the same llvmpipe device with one thread.
// Figures are medians over the rounds with the least and the most, and ratios are taken round by round. `speed` needs
// npm and Node, to install and run llama.cpp in bench/llama-cpp/ (160 MB; Linux on x64). A wrong token ends the program
// with an error. Nothing else should run on the machine. --quick does less of everything, to try the program out.

import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import manifest from "../package.json" with { type: "json" };
import { findAdapter, listAdapters } from "../src/gpu/adapters.ts";
import { DAWN_TOGGLES } from "../src/gpu/dawn.ts";
import { ADAPTER, type BenchOptions } from "./fixture.ts";
import { formats } from "./formats.ts";
import { monitorCost } from "./monitor-cost.ts";
import { overlap } from "./overlap.ts";
import peers from "./llama-cpp/package.json" with { type: "json" };
import { serve } from "./serve.ts";
import { speed } from "./speed.ts";
import { strategies } from "./strategies.ts";

const PARTS: Readonly<Record<string, (options: BenchOptions) => Promise<unknown>>> = {
  speed,
  formats,
  overlap,
  strategies,
  "monitor-cost": monitorCost,
  serve,
};

function readArguments(args: string[]) {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { json: { type: "string" }, runs: { type: "string" }, quick: { type: "boolean", default: false } },
  });
  const { json, quick } = values;
  const runs = Number(values.runs ?? (quick ? 2 : 5));
  if (!Number.isInteger(runs) || runs < 1) {
    throw new RangeError(`Cannot run ${values.runs} rounds: a whole number of 1 or more is wanted`);
  }
  const unknown = positionals.find((name) => !Object.hasOwn(PARTS, name));
  if (unknown !== undefined) throw new TypeError(`Cannot run "${unknown}": ${Object.keys(PARTS).join(", ")} are there`);
  return { names: positionals.length > 0 ? positionals : Object.keys(PARTS), json, runs, quick };
}

async function machine() {
  const { name, driver } = findAdapter(await listAdapters(), ADAPTER);
  return {
    date: new Date().toISOString(),
    cpu: os.cpus()[0]!.model,
    cores: os.availableParallelism(),
    adapter: name,
    driver,
    deno: Deno.version.deno,
    webgpu: manifest.dependencies.webgpu,
    nodeLlamaCpp: peers.dependencies["node-llama-cpp"],
    toggles: DAWN_TOGGLES,
  };
}

// Drivers read this variable here and in the processes started from here. With 0 llvmpipe computes on one thread, that
// of the device's queue.
Deno.env.set("LP_NUM_THREADS", "0");
const { names, json, runs, quick } = readArguments(Deno.args);
// A folder that is missing is an error now rather than after all rounds.
if (json !== undefined) await Deno.stat(path.dirname(json));
const figures: Record<string, unknown> = { machine: await machine(), runs, quick };
console.log(Object.entries(figures.machine as object).map(([key, value]) => `${key} ${value}`).join("; "));
console.log(`${runs} rounds, medians [least..most]${quick ? "; --quick: the figures mean little" : ""}`);
for (const name of names) figures[name] = await PARTS[name]!({ runs, quick });
if (json !== undefined) await Deno.writeTextFile(json, JSON.stringify(figures, null, 1) + "\n");
