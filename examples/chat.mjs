// A conversation of two turns: the second one feeds the models only what is new.
//
// In a checkout: npx -y deno run -A examples/chat.mjs
// With Node: npm install amusd, then node chat.mjs, in a folder that has models/ as the checkout has it.
// @ts-check

import process from "node:process";
import { load } from "amusd";

const engine = await load({
  verify: "models/smollm2-135m-instruct-q4_1.gguf",
  draft: "models/smollm2-draft-42m-q8_0.gguf",
});
const chat = engine.chat({ system: "You answer in one sentence." });
for (const question of ["What is the capital of France?", "And of Italy?"]) {
  console.log(`> ${question}`);
  for await (const { text } of chat.send(question, { maxTokens: 64 })) process.stdout.write(text);
  process.stdout.write("\n");
}
console.log(`${chat.messages.length} messages`);
await engine.close();
