// Answers by models of yours: GGUF files or folders of safetensors, a large one and a small one of the same family.
//
// In a checkout: npx -y deno run -A examples/own-models.mjs [VERIFY_MODEL [DRAFT_MODEL]]
// With Node: npm install amusd, then node own-models.mjs VERIFY_MODEL [DRAFT_MODEL]
// Without a draft model the verify model decodes alone; without both, the pair in models/ answers.
// @ts-check

import process from "node:process";
import { load } from "amusd";

const VERIFY = "models/smollm2-135m-instruct-q4_1.gguf";
const DRAFT = "models/smollm2-draft-42m-q8_0.gguf";
const [verify = VERIFY, draft = verify === VERIFY ? DRAFT : undefined] = process.argv.slice(2);

const engine = await load({
  verify,
  draft,
  onProgress: ({ step, done, total }) => {
    if (process.stderr.isTTY) process.stderr.write(`\r${step} ${Math.floor(100 * done / total)} %`);
  },
});
const answer = engine.generate("Write a haiku about rain.", { maxTokens: 64 });
for await (const { text } of answer) process.stdout.write(text);
const { strategy, tokensPerVerification } = await answer.record;
console.log(`\n(${strategy}, ${tokensPerVerification?.toFixed(2)} tokens a verification)`);
await engine.close();
