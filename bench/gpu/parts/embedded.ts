// The embedded pair on the first adapter: both models against the oracle's tokens, and how fast the strategies are.

import { load } from "../../../mod.ts";
import { assertOracle, readGoldens } from "../../fixture.ts";
import { partOptions, tell } from "../part.ts";

const { models, scale } = partOptions();
if (models === null) throw new Error("Cannot test the embedded pair: it was not brought along; give --models");
const files = {
  verify: `${models}/smollm2-135m-instruct-q4_1.gguf`,
  draft: `${models}/smollm2-draft-42m-q8_0.gguf`,
};
const PROMPTS = scale === "full" ? 8 : 1;
const maxTokens = scale === "full" ? 64 : 16;

for (const name of ["verify", "draft"] as const) {
  await using engine = await load({ verify: files[name], context: 512 });
  for (const golden of [...(await readGoldens(name)).values()].slice(0, PROMPTS)) {
    const { tokens, record } = await engine.generate(golden.promptTokens, { maxTokens });
    let verdict = "the oracle's tokens";
    try {
      assertOracle(name, { ...golden, tokens: golden.tokens.slice(0, tokens.length) }, tokens);
    } catch (error) {
      verdict = (error as Error).message;
    }
    tell(`${name}: ${golden.name}`, { tokens: tokens.length, msPerToken: record.msPerToken, verdict });
  }
}

await using engine = await load({ ...files, context: 512, draftVocabulary: 8192 });
for (const golden of [...(await readGoldens("verify")).values()].slice(0, PROMPTS)) {
  const wanted = (await engine.generate(golden.promptTokens, { strategy: "greedy", maxTokens })).tokens;
  for (const strategy of ["greedy", "sd", "amusd"] as const) {
    const { tokens, record } = await engine.generate(golden.promptTokens, { strategy, maxTokens });
    const { msPerToken, acceptance, tokensPerVerification, overlapMs } = record;
    const isSame = tokens.join() === wanted.join();
    tell(`${strategy}: ${golden.name}`, { msPerToken, acceptance, tokensPerVerification, overlapMs, isSame });
  }
}
