// llama.cpp, by way of node-llama-cpp, as a process of its own: peer.mjs vulkan|cpu MODEL CONTEXT, one thread. It says
// which device it uses, and then answers lines of stdin, {"tokens": ids, "steps": how many}, with times in ms around
// the public calls of the package, and the tokens that it chose after the given ones. npm installs it: the package
// names an optional one that the registry lacks, which Deno does not forgive.

import process from "node:process";
import { createInterface } from "node:readline";
import { getLlama, LlamaLogLevel } from "node-llama-cpp";

const [build, modelPath, contextSize] = process.argv.slice(2);
const gpu = build === "vulkan" ? "vulkan" : false;
const llama = await getLlama({ gpu, build: "never", logLevel: LlamaLogLevel.error, maxThreads: 1 });
const model = await llama.loadModel({ modelPath, gpuLayers: gpu ? "max" : 0 });
const context = await model.createContext({ contextSize: Number(contextSize), batchSize: 512, threads: 1 });
const sequence = context.getSequence();

/** Feeds all tokens but the last in one batch, then decodes from the last one. */
async function run({ tokens, steps }) {
  await sequence.clearHistory();
  const startMs = performance.now();
  await sequence.evaluateWithoutGeneratingNewTokens(tokens.slice(0, -1));
  const prefilledMs = performance.now();
  const chosen = [];
  for await (const token of sequence.evaluate(tokens.slice(-1), { temperature: 0, yieldEogToken: true })) {
    if (chosen.push(token) >= steps) break;
  }
  return { prefillMs: prefilledMs - startMs, decodeMs: performance.now() - prefilledMs, tokens: chosen };
}

console.log(JSON.stringify({ device: gpu ? (await llama.getGpuDeviceNames())[0] : "cpu" }));
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await run(JSON.parse(line))));
}
process.exit(0);
