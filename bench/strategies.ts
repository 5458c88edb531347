// greedy, sd and amusd, with hedges and without, by the embedded pair on the same prompts: all of them answer a prompt
// before the next one comes. All must give the same tokens, the oracle's. Then amusd is simulated on an ideal machine:
// the very strategy, with the acceptance and the times of these runs, where nothing takes time but the devices' work.
// The time that is lost against that machine is lost in waking, submitting and reading.

import { DRAFT_VOCABULARY } from "../src/cli/models.ts";
import { recordedTimes } from "../src/plan/recorded.ts";
import { HEDGED, simulateRun } from "../src/plan/simulate.ts";
import { recordedAcceptance } from "../src/plan/simulated-pair.ts";
import { type Engine, load } from "../mod.ts";
import type { GenerationOptions } from "../src/engine/generation-run.ts";
import type { TraceEvent } from "../src/spec/trace/trace-events.ts";
import { ADAPTER, assertOracle, assertSame, type BenchOptions, type Golden, MODEL_PATHS } from "./fixture.ts";
import { progress, readGoldens } from "./fixture.ts";
import { ratio, rotate, show, type Spread, spread } from "./rounds.ts";

const VARIANTS = {
  greedy: { strategy: "greedy" },
  // Held against the first one, the second run of greedy tells how noisy the machine is.
  "greedy again": { strategy: "greedy" },
  sd: { strategy: "sd", lookahead: 5 },
  amusd: { strategy: "amusd" },
  "amusd --hedge off": { strategy: "amusd", hedge: false },
} as const satisfies Record<string, GenerationOptions>;
type Variant = keyof typeof VARIANTS;
const NAMES = Object.keys(VARIANTS) as Variant[];
/** Programs to be completed as they stand, and messages. None of their answers ends within 64 tokens. */
const DATASETS = {
  HumanEval: ["HumanEval/0", "HumanEval/1", "HumanEval/3", "HumanEval/4", "HumanEval/5"],
  "MT-Bench": ["mt_bench/81", "mt_bench/90", "mt_bench/101", "mt_bench/111", "mt_bench/130"],
};
/** Simulated runs for a sample. Each is as long as the sample's run, so that its beginning weighs as much. */
const IDEAL_RUNS = 30;

interface Sample {
  readonly prompt: string;
  readonly round: number;
  /** Time from the start, prefill included, to the last token, over all tokens. */
  readonly msPerToken: number;
  /** Time from the first token to the last, over the tokens after the first. */
  readonly decodeMsPerToken: number;
  readonly acceptance: number | null;
  readonly tokensPerVerification: number | null;
  /** The busy share of the run's time, by lane. */
  readonly busy: Readonly<Record<string, number>>;
  /** The share of the time from the first verification's end to the last one's in which the verify lane was idle. */
  readonly waiting: number;
}

interface Run {
  readonly tokens: readonly number[];
  readonly sample: Omit<Sample, "round">;
  readonly events: readonly TraceEvent[];
}

export interface StrategyFigures {
  readonly msPerToken: Spread;
  /** greedy's ms/token over this one's, sample by sample. */
  readonly speedup: Spread;
  readonly decodeMsPerToken: Spread;
  readonly decodeSpeedup: Spread;
  /** By prompt, greedy's best run over this one's best run, so that slow stretches of the machine do not count. */
  readonly bestSpeedup: Spread;
  readonly acceptance: Spread | null;
  readonly tokensPerVerification: Spread;
  readonly busy: Readonly<Record<string, Spread>>;
  readonly waiting: Spread;
  readonly samples: readonly Sample[];
}

/** How amusd stands against the ideal machine, sample by sample. */
export interface IdealFigures {
  readonly msPerToken: Spread;
  /** The share of the ideal machine's speed that the real runs had. */
  readonly reached: Spread;
}

export type Figures = Readonly<Record<Variant, StrategyFigures>> & { readonly ideal: IdealFigures };

export async function strategies({ runs, quick }: BenchOptions): Promise<Readonly<Record<string, Figures>>> {
  progress("strategies: loading");
  const goldens = await readGoldens("verify");
  const datasets = Object.entries(DATASETS).map(([name, names]) =>
    [name, names.slice(0, quick ? 1 : undefined).map((prompt) => goldens.get(prompt)!)] as const
  );
  const prompts = datasets.flatMap(([, prompts]) => prompts);
  const maxTokens = quick ? 24 : 64;
  const context = Math.max(...prompts.map(({ promptTokens }) => promptTokens.length)) +
    maxTokens;
  const engine = await load({
    ...MODEL_PATHS,
    verifyDevice: ADAPTER,
    draftDevice: ADAPTER,
    context,
    draftVocabulary: DRAFT_VOCABULARY,
    // The ideal machine knows nothing of look-up.
    drafter: "model",
  });
  try {
    const samples = Object.fromEntries(NAMES.map((name) => [name, [] as Sample[]])) as Record<Variant, Sample[]>;
    const traces: { readonly name: Variant; readonly prompt: string; readonly events: readonly TraceEvent[] }[] = [];
    for (let round = 0; round < runs; round++) {
      for (const [i, golden] of prompts.entries()) {
        progress(`strategies: round ${round + 1} of ${runs}, ${golden.name}`);
        const tokens: Partial<Record<Variant, readonly number[]>> = {};
        await rotate(
          round + i,
          NAMES.map((name) => async () => {
            const run = await generate(engine, golden, name, maxTokens);
            assertOracle(name, golden, run.tokens);
            tokens[name] = run.tokens;
            samples[name].push({ ...run.sample, round });
            traces.push({ name, prompt: golden.name, events: run.events });
          }),
        );
        for (const name of NAMES) {
          assertSame(`${name} after "${golden.name}"`, tokens[name]!, tokens.greedy!);
        }
      }
    }
    progress("strategies: simulating");
    const amusd = traces.filter(({ name }) => name === "amusd");
    const figures: Record<string, Figures> = {};
    for (const [dataset, prompts] of datasets) {
      const names = new Set(prompts.map(({ name }) => name));
      const of = (name: Variant) => samples[name].filter(({ prompt }) => names.has(prompt));
      const idealMs: number[] = [];
      for (const { prompt, events } of amusd.filter(({ prompt }) => names.has(prompt))) {
        const hardware = recordedTimes(amusd.map(({ events }) => events), "these runs", [events]);
        const sameText = traces.filter((trace) => trace.prompt === prompt).map(({ events }) => events);
        const acceptance = recordedAcceptance(sameText, prompt);
        let sumMs = 0;
        for (let seed = 1; seed <= IDEAL_RUNS; seed++) {
          sumMs += (await simulateRun(HEDGED, hardware, acceptance, maxTokens, seed)).summary.msPerToken!;
        }
        idealMs.push(sumMs / IDEAL_RUNS);
      }
      progress("");
      const ideal = {
        msPerToken: spread(idealMs),
        reached: ratio(idealMs, of("amusd").map(({ decodeMsPerToken }) => decodeMsPerToken)),
      };
      figures[dataset] = { ...report(dataset, of), ideal };
      console.log(
        `  ideal   amusd on a machine where only the devices' work takes time, as much as in each sample: ` +
          `${show(ideal.msPerToken)} ms/token; reached ${show(ideal.reached, 2)} of its speed`,
      );
    }
    return figures;
  } finally {
    progress("");
    await engine.close();
  }
}

async function generate(engine: Engine, golden: Golden, variant: Variant, maxTokens: number): Promise<Run> {
  const generation = engine.generate(golden.promptTokens, { ...VARIANTS[variant], maxTokens });
  const startMs = performance.now();
  let lastMs = startMs;
  for await (const { tokens } of generation) {
    if (tokens.length > 0) lastMs = performance.now();
  }
  const { tokens, acceptance, tokensPerVerification, lanes, msPerToken, events } = await generation.record;
  const verified = events.filter((event) => event.kind === "operation").filter(({ accepted }) =>
    accepted !== undefined
  );
  const busyMs = verified.slice(1).reduce((sum, { startMs, endMs }) => sum + endMs - startMs, 0);
  const busy = Object.fromEntries(lanes.map(({ name, busyMs, idleMs }) => [name, busyMs / (busyMs + idleMs)]));
  const sample = {
    prompt: golden.name,
    msPerToken: (lastMs - startMs) / tokens.length,
    decodeMsPerToken: msPerToken!,
    acceptance,
    tokensPerVerification,
    busy,
    waiting: 1 - busyMs / (verified.at(-1)!.endMs - verified[0]!.endMs),
  };
  return { tokens, sample, events };
}

function report(
  dataset: string,
  samplesOf: (name: Variant) => readonly Sample[],
): Record<Variant, StrategyFigures> {
  console.log(
    `\nstrategies, ${dataset}: ${samplesOf("greedy").length} samples each; speed-up over greedy, sample by sample`,
  );
  const msOf = (name: Variant) => samplesOf(name).map(({ msPerToken }) => msPerToken);
  const decodeMsOf = (name: Variant) => samplesOf(name).map(({ decodeMsPerToken }) => decodeMsPerToken);
  const prompts = [...new Set(samplesOf("greedy").map(({ prompt }) => prompt))];
  const bestOf = (name: Variant) => {
    const samples = samplesOf(name);
    return prompts.map((prompt) =>
      Math.min(...samples.filter((sample) => sample.prompt === prompt).map(({ decodeMsPerToken }) => decodeMsPerToken))
    );
  };
  const figures = NAMES.map((name): [Variant, StrategyFigures] => {
    const samples = samplesOf(name);
    const of = (pick: (sample: Sample) => number | null) => samples.map(pick).filter((value) => value !== null);
    const acceptance = of((sample) => sample.acceptance);
    const lanes = Object.keys(samples[0]!.busy);
    const shown: StrategyFigures = {
      msPerToken: spread(msOf(name)),
      speedup: ratio(msOf("greedy"), msOf(name)),
      decodeMsPerToken: spread(decodeMsOf(name)),
      decodeSpeedup: ratio(decodeMsOf("greedy"), decodeMsOf(name)),
      bestSpeedup: ratio(bestOf("greedy"), bestOf(name)),
      acceptance: acceptance.length > 0 ? spread(acceptance) : null,
      tokensPerVerification: spread(of((sample) => sample.tokensPerVerification)),
      busy: Object.fromEntries(lanes.map((lane) => [lane, spread(of(({ busy }) => busy[lane]!))])),
      waiting: spread(of(({ waiting }) => waiting)),
      samples,
    };
    console.log(
      `  ${name}: ms/token with the prefill ${show(shown.msPerToken)}, speed-up ${show(shown.speedup, 2)}`,
    );
    console.log(
      `          after the prefill ${show(shown.decodeMsPerToken)}, speed-up ${show(shown.decodeSpeedup, 2)}, ` +
        `of each prompt's best run ${show(shown.bestSpeedup, 2)}`,
    );
    const busy = [
      ...lanes.map((lane) => `${lane} busy ${show(shown.busy[lane]!, 2)}`),
      `verify lane waiting ${show(shown.waiting, 3)}`,
    ].join(", ");
    console.log(
      shown.acceptance
        ? `          accepted ${show(shown.acceptance, 2)}, tokens/verification ${
          show(shown.tokensPerVerification, 2)
        }, ${busy}`
        : `          ${busy}`,
    );
    return [name, shown];
  });
  return Object.fromEntries(figures) as Record<Variant, StrategyFigures>;
}
