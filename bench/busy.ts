// What amusd costs, or brings, on a machine that other programs use too:
//
//   deno run -A bench/busy.ts DATASET [--from N] [--samples N] [--tokens N] [--machines NAMES] [--json FILE]
//
// For each machine (quiet; one busy program; two; one that computes every other second) it answers the samples by
// greedy, amusd and greedy again, in turns, on one engine. It prints the speed-up of amusd over the mean of both
// greedies, and of greedy over greedy (the noise), as means over the samples with 95 % bootstrap intervals; then the
// gain that the launch rule expected and the one that it saw. Every text must be the same.

import process from "node:process";
import { parseArgs } from "node:util";
import { type GenerationRecord, load } from "../mod.ts";
import { userTurns } from "../src/benchmark/conversation.ts";
import { readSamples } from "../src/benchmark/datasets.ts";
import { bootstrap, type Estimate } from "../src/benchmark/speed-figures.ts";
import { DRAFT_VOCABULARY } from "../src/cli/models.ts";
import { sum } from "../src/util/numbers.ts";
import { assertSame, MODEL_PATHS, progress } from "./fixture.ts";
import { rotate } from "./rounds.ts";

/** Programs that compute beside this one: each for so many of its milliseconds, then it rests as long. */
const MACHINES: Readonly<Record<string, readonly number[]>> = {
  quiet: [],
  one: [Infinity],
  two: [Infinity, Infinity],
  "comes-and-goes": [1000],
};

const { values, positionals: [dataset] } = parseArgs({
  allowPositionals: true,
  options: {
    from: { type: "string", default: "0" },
    samples: { type: "string", default: "20" },
    tokens: { type: "string", default: "96" },
    machines: { type: "string", default: Object.keys(MACHINES).join(",") },
    json: { type: "string" },
  },
});
const [from, count, maxTokens] = [values.from, values.samples, values.tokens].map(Number) as [number, number, number];
const machines = values.machines.split(",");
const unknown = machines.find((name) => !Object.hasOwn(MACHINES, name));
if (dataset === undefined || unknown !== undefined || ![from, count, maxTokens].every(Number.isInteger)) {
  console.error(`Cannot run: name a dataset, whole numbers, and machines of ${Object.keys(MACHINES).join(", ")}`);
  process.exit(2);
}

/** A process that computes for `workMs` and rests as long, over and over. */
function compute(workMs: number): Deno.ChildProcess {
  const code = `for (;;) {
    const end = performance.now() + ${workMs === Infinity ? 1e9 : workMs};
    while (performance.now() < end);
    await new Promise((wake) => setTimeout(wake, ${workMs === Infinity ? 0 : workMs}));
  }`;
  return new Deno.Command(Deno.execPath(), { args: ["eval", code], stdin: "null" }).spawn();
}

interface Answer {
  readonly sample: number;
  readonly greedyMs: number;
  readonly againMs: number;
  readonly amusdMs: number;
  readonly expected: number | null;
  readonly achieved: number | null;
  readonly tokensPerVerification: number | null;
}

const samples = (await readSamples([dataset], { most: from + count })).samples.slice(from);
const engine = await load({ ...MODEL_PATHS, draftVocabulary: DRAFT_VOCABULARY, context: 2048 });
const figures: Record<string, readonly Answer[]> = {};
try {
  // The first runs on a device are slower.
  await engine.generate("One two three", { maxTokens: 32, strategy: "amusd" });
  for (const name of machines) {
    const others = MACHINES[name]!.map(compute);
    const answers: Answer[] = [];
    try {
      for (const [i, { sample }] of samples.entries()) {
        progress(`${name}: sample ${i + 1} of ${samples.length}`);
        const prompt = engine.codec.encodeChat(userTurns(sample).slice(0, 1));
        const run = (strategy: "greedy" | "amusd") =>
          engine.generate(prompt, { strategy, maxTokens, ignoreEos: true, trace: "off" }).record;
        const records = new Map<string, GenerationRecord>();
        await rotate(i, [
          async () => void records.set("greedy", await run("greedy")),
          async () => void records.set("amusd", await run("amusd")),
          async () => void records.set("again", await run("greedy")),
        ]);
        const [greedy, amusd, again] = ["greedy", "amusd", "again"].map((name) => records.get(name)!);
        for (const { tokens } of [amusd!, again!]) assertSame(`${name}, sample ${i}`, tokens, greedy!.tokens);
        answers.push({
          sample: i,
          greedyMs: greedy!.msPerToken!,
          againMs: again!.msPerToken!,
          amusdMs: amusd!.msPerToken!,
          expected: amusd!.expectedGain,
          achieved: amusd!.achievedGain,
          tokensPerVerification: amusd!.tokensPerVerification,
        });
      }
    } finally {
      for (const other of others) other.kill("SIGKILL");
    }
    progress("");
    figures[name] = answers;
    print(name, answers);
  }
} finally {
  await engine.close();
}
if (values.json !== undefined) await Deno.writeTextFile(values.json, JSON.stringify(figures, null, 1) + "\n");

function print(name: string, answers: readonly Answer[]): void {
  const show = ({ mean, low, high }: Estimate) => `${mean.toFixed(3)} [${low.toFixed(3)}..${high.toFixed(3)}]`;
  const speedup = bootstrap(answers, (some) => sum(some.map(greedyMs)) / sum(some.map(({ amusdMs }) => amusdMs)));
  const noise = bootstrap(
    answers,
    (some) => sum(some.map(({ greedyMs }) => greedyMs)) / sum(some.map(({ againMs }) => againMs)),
  );
  const mean = (figure: (answer: Answer) => number | null) => {
    const known = answers.map(figure).filter((value) => value !== null);
    return (sum(known) / known.length).toFixed(3);
  };
  console.log(
    `${name}: ${answers.length} samples, greedy ${mean(greedyMs)} ms a token, amusd over greedy ${show(speedup)}, ` +
      `greedy over greedy ${show(noise)}; expected ${mean(({ expected }) => expected)}, seen ` +
      `${mean(({ achieved }) => achieved)}; ${mean((one) => one.tokensPerVerification)} tokens a verification`,
  );
}

function greedyMs(answer: Answer): number {
  return (answer.greedyMs + answer.againMs) / 2;
}
