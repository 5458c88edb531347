/**
 * Measures a limit to the draft's vocabulary: the embedded pair runs with the draft's proposals limited to the first N
 * ids, by `amusd`, or by `sd`, whose lanes work in turn and so don't slow each other down. Run it by
 * `deno run -A lab/draft-vocabulary/sizes.ts [amusd | sd]`; README.md has what it printed.
 */
import process from "node:process";
import { load, type StrategyName } from "../../mod.ts";

const strategy = (process.argv[2] ?? "amusd") as StrategyName;

const SIZES = [49_152, 24_576, 16_384, 8_192];
const NAMES = ["HumanEval/0", "HumanEval/1", "HumanEval/5", "mt_bench/101", "mt_bench/130"];
const ROUNDS = 2;

const root = new URL("../../", import.meta.url).pathname;
const goldens: { name: string; promptTokens: number[] }[] = JSON.parse(
  await Deno.readTextFile(`${root}tests/goldens/verify.json`),
);
const prompts = goldens.filter(({ name }) => NAMES.includes(name)).map(({ promptTokens }) => promptTokens);
const totals = SIZES.map(() => ({ ms: 0, drafted: 0, verified: 0, accepted: 0, draftMs: 0 }));
for (let round = 0; round < ROUNDS; round++) {
  for (const [i, draftVocabulary] of SIZES.entries()) {
    const pair = await load({
      verify: `${root}models/smollm2-135m-instruct-q4_1.gguf`,
      draft: `${root}models/smollm2-draft-42m-q8_0.gguf`,
      context: 256,
      draftVocabulary,
    });
    for (const prompt of prompts) {
      const { record } = await pair.generate(prompt, { strategy, lookahead: 3, maxTokens: 48 });
      const { msPerToken, drafted, accepted, events } = record;
      const total = totals[i]!;
      total.ms += msPerToken!;
      total.drafted += drafted;
      total.accepted += accepted;
      for (const event of events) {
        if (event.kind === "operation" && event.lane === "draft" && event.operation === "decode") {
          total.draftMs += event.endMs - event.startMs;
          total.verified += event.chosen.length;
        }
      }
    }
    await pair.close();
  }
}
console.log(`| N | ms/token of ${strategy} | draft step, ms | accepted of drafted |\n|---|---|---|---|`);
for (const [i, { ms, drafted, accepted, draftMs, verified }] of totals.entries()) {
  const cells = [ms / (ROUNDS * prompts.length), draftMs / verified, accepted / drafted];
  console.log(`| ${SIZES[i]} | ${cells.map((cell) => cell.toFixed(2)).join(" | ")} |`);
}
