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
const answer = engine.generate("Why is the sky blue?", { maxNewTokens: 64 });
for await (const _ of answer) {
  // The answer is complete when the loop ends.
}
console.log(answer.text);
console.log(`${answer.tokens.length} tokens, ${answer.record.msPerToken?.toFixed(1)} ms each`);
await engine.close();
