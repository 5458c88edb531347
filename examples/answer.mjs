// Prints a whole answer, and what the run came to.
//
// In a checkout: npx -y deno run -A examples/answer.mjs
// With Node: npm install amusd, then node answer.mjs, in a folder that has models/ as the checkout has it.
// @ts-check

import { load } from "amusd";

const engine = await load({
  verify: "models/smollm2-135m-instruct-q4_1.gguf",
  draft: "models/smollm2-draft-42m-q8_0.gguf",
});
const { text, tokens, record } = await engine.generate("Why is the sky blue?", { maxTokens: 64 });
console.log(text);
console.log(`${tokens.length} tokens, ${record.msPerToken?.toFixed(1)} ms each`);
await engine.close();
