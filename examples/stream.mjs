// Prints an answer as it comes, drawn at random, until it ends or Ctrl-C is pressed.
//
// In a checkout: npx -y deno run -A examples/stream.mjs
// With Node: npm install amusd, then node stream.mjs, in a folder that has models/ as the checkout has it.
// @ts-check

import process from "node:process";
import { load } from "amusd";

const engine = await load({
  verify: "models/smollm2-135m-instruct-q4_1.gguf",
  draft: "models/smollm2-draft-42m-q8_0.gguf",
});
const stopEarly = new AbortController();
process.once("SIGINT", () => stopEarly.abort());

const story = engine.generate("Tell me a story about a robot.", {
  maxTokens: 64,
  temperature: 0.8,
  topP: 0.95,
  seed: 7,
  signal: stopEarly.signal,
});
for await (const { text } of story) process.stdout.write(text);
process.stdout.write(`\n(${await story.finishReason})\n`);
await engine.close();
