// greedy, sd and amusd of the embedded pair on the same prompts: each prompt by all three before the next one. All must
// give the same tokens, the oracle's.

import { openModelPair } from "../src/model/model-file.ts";
import { Engine } from "../src/spec/engine.ts";
import type { StrategyName } from "../src/spec/generation.ts";
import { ADAPTER, assertOracle, assertSame, type BenchOptions, type Golden, MODEL_PATHS } from "./fixture.ts";
import { progress, readGoldens } from "./fixture.ts";
import { ratio, rotate, show, type Spread, spread } from "./stats.ts";

const NAMES = ["greedy", "sd", "amusd"] as const satisfies readonly StrategyName[];
/** Three programs to be completed as they stand, and two messages. None of their answers ends within 64 tokens. */
const PROMPTS = ["HumanEval/0", "HumanEval/1", "HumanEval/5", "mt_bench/101", "mt_bench/130"];

interface Sample {
  readonly prompt: string;
  readonly round: number;
  /** From the start, prefill included, to the last token, for each token. */
  readonly msPerToken: number;
  /** From the first token to the last, for each token after the first. */
  readonly decodeMsPerToken: number;
  readonly acceptance: number | null;
  readonly tokensPerVerification: number | null;
  /** By lane, of the run's time. */
  readonly busy: Readonly<Record<string, number>>;
}

export interface StrategyFigures {
  readonly msPerToken: Spread;
  /** greedy's ms/token over this one's, sample by sample. */
  readonly speedup: Spread;
  readonly decodeMsPerToken: Spread;
  readonly decodeSpeedup: Spread;
  readonly acceptance: Spread | null;
  readonly tokensPerVerification: Spread;
  readonly busy: Readonly<Record<string, Spread>>;
  readonly samples: readonly Sample[];
}

export async function strategies({ runs, quick }: BenchOptions): Promise<Record<StrategyName, StrategyFigures>> {
  progress("strategies: loading");
  const goldens = await readGoldens("verify");
  const prompts = PROMPTS.slice(0, quick ? 2 : undefined).map((name) => goldens.get(name)!);
  const maxNewTokens = quick ? 24 : 64;
  const context = Math.max(...prompts.map(({ promptTokens }) => promptTokens.length)) +
    maxNewTokens;
  const pair = await openModelPair(MODEL_PATHS.verify, MODEL_PATHS.draft);
  const engine = await Engine.load(pair, { verifyDevice: ADAPTER, draftDevice: ADAPTER, context });
  try {
    const samples: Record<StrategyName, Sample[]> = { greedy: [], sd: [], amusd: [] };
    for (let round = 0; round < runs; round++) {
      for (const [i, golden] of prompts.entries()) {
        progress(`strategies: round ${round + 1} of ${runs}, ${golden.name}`);
        const tokens: Partial<Record<StrategyName, readonly number[]>> = {};
        await rotate(
          round + i,
          NAMES.map((name) => async () => {
            const run = await generate(engine, golden, name, maxNewTokens);
            assertOracle(name, golden, run.tokens);
            tokens[name] = run.tokens;
            samples[name].push({ ...run.sample, round });
          }),
        );
        for (const name of NAMES) {
          assertSame(`${name} after "${golden.name}"`, tokens[name]!, tokens.greedy!);
        }
      }
    }
    return report(samples);
  } finally {
    progress("");
    await engine.close();
  }
}

async function generate(engine: Engine, golden: Golden, strategy: StrategyName, maxNewTokens: number) {
  const generation = engine.generate(golden.promptTokens, { strategy, maxNewTokens, lookahead: 5 });
  const startMs = performance.now();
  let lastMs = startMs;
  for await (const { tokens } of generation) {
    if (tokens.length > 0) lastMs = performance.now();
  }
  const { tokens, acceptance, tokensPerVerification, lanes, msPerToken } = generation.record;
  const busy = Object.fromEntries(lanes.map(({ name, busyMs, idleMs }) => [name, busyMs / (busyMs + idleMs)]));
  const sample = {
    prompt: golden.name,
    msPerToken: (lastMs - startMs) / tokens.length,
    decodeMsPerToken: msPerToken!,
    acceptance,
    tokensPerVerification,
    busy,
  };
  return { tokens, sample };
}

function report(samples: Readonly<Record<StrategyName, readonly Sample[]>>): Record<StrategyName, StrategyFigures> {
  console.log(
    `\nstrategies: ${samples.greedy.length} samples each; speed-up over greedy, sample by sample`,
  );
  const msOf = (name: StrategyName) => samples[name].map(({ msPerToken }) => msPerToken);
  const decodeMsOf = (name: StrategyName) => samples[name].map(({ decodeMsPerToken }) => decodeMsPerToken);
  const figures = NAMES.map((name): [StrategyName, StrategyFigures] => {
    const of = (pick: (sample: Sample) => number | null) => samples[name].map(pick).filter((value) => value !== null);
    const acceptance = of((sample) => sample.acceptance);
    const lanes = Object.keys(samples[name][0]!.busy);
    const shown: StrategyFigures = {
      msPerToken: spread(msOf(name)),
      speedup: ratio(msOf("greedy"), msOf(name)),
      decodeMsPerToken: spread(decodeMsOf(name)),
      decodeSpeedup: ratio(decodeMsOf("greedy"), decodeMsOf(name)),
      acceptance: acceptance.length > 0 ? spread(acceptance) : null,
      tokensPerVerification: spread(of((sample) => sample.tokensPerVerification)),
      busy: Object.fromEntries(lanes.map((lane) => [lane, spread(of(({ busy }) => busy[lane]!))])),
      samples: samples[name],
    };
    console.log(
      `  ${name.padEnd(6)}  ms/token with the prefill ${show(shown.msPerToken)}, speed-up ${show(shown.speedup, 2)}`,
    );
    console.log(
      `          after the prefill ${show(shown.decodeMsPerToken)}, speed-up ${show(shown.decodeSpeedup, 2)}`,
    );
    const busy = lanes.map((lane) => `${lane} busy ${show(shown.busy[lane]!, 2)}`).join(", ");
    console.log(
      shown.acceptance
        ? `          accepted ${show(shown.acceptance, 2)}, tokens/verification ${
          show(shown.tokensPerVerification, 2)
        }, ${busy}`
        : `          ${busy}`,
    );
    return [name, shown];
  });
  return Object.fromEntries(figures) as Record<StrategyName, StrategyFigures>;
}
