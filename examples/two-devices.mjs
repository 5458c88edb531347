// Puts the two models on two devices, the first and the last that there are, and tells how busy each was.
//
// In a checkout: npx -y deno run -A examples/two-devices.mjs
// With Node: npm install amusd, then node two-devices.mjs, in a folder that has models/ as the checkout has it.
// @ts-check

import { listAdapters, load } from "amusd";

const adapters = await listAdapters();
for (const { index, name, kind } of adapters) console.log(`${index}  ${name}, ${kind}`);

const engine = await load({
  verify: "models/smollm2-135m-instruct-q4_1.gguf",
  verifyDevice: adapters[0],
  draft: "models/smollm2-draft-42m-q8_0.gguf",
  draftDevice: adapters.at(-1),
});
const { devices, lanes } = await engine.generate("Count from one to ten.", { maxTokens: 64 }).record;
for (const { name, busyMs, idleMs } of lanes) {
  console.log(`${name} on ${devices[name]}: busy for ${(100 * busyMs / (busyMs + idleMs)).toFixed(0)} % of the time`);
}
await engine.close();
