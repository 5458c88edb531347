import { buildCommand } from "@stricli/core";
import process from "node:process";
import manifest from "../../package.json" with { type: "json" };
import { contextOf, type IndexedSample, runBenchmark, warmUp } from "../bench/benchmark.ts";
import { bundledPrompts, loadPrompts } from "../bench/datasets.ts";
import { parseResults, type Results, RESULTS_VERSION, type ResultsConfiguration } from "../bench/results.ts";
import { statisticsOf } from "../bench/statistics.ts";
import { renderTable } from "../bench/table.ts";
import { encodeChat } from "../model/chat-template.ts";
import { encodePrompt } from "../spec/engine.ts";
import { STRATEGIES, type StrategyName } from "../spec/generation.ts";
import { MAX_ROWS } from "../spec/lane.ts";
import { UsageError } from "./errors.ts";
import { count, text } from "./flags.ts";
import { loadEngine, type ModelFlags, modelFlags } from "./models.ts";
import { assertNew, assertWritable, Progress, writeWhole } from "./output.ts";
import { readContent } from "./stats.ts";

interface BenchmarkFlags extends ModelFlags {
  readonly dataset?: string;
  readonly "num-samples"?: number;
  readonly strategies: readonly StrategyName[];
  readonly "max-new-tokens": number;
  readonly lookahead: number;
  readonly seed: number;
  readonly "output-file"?: string;
  readonly resume: boolean;
  readonly force: boolean;
  readonly json: boolean;
}

const NAMES = Object.keys(STRATEGIES) as StrategyName[];

function parseStrategies(input: string): StrategyName[] {
  const names = input.split(",");
  const unknown = names.find((name) => !Object.hasOwn(STRATEGIES, name));
  if (unknown !== undefined) throw new RangeError(`"${unknown}" is no strategy: ${NAMES.join(", ")} are there`);
  return [...new Set(names)] as StrategyName[];
}

export const benchmarkCommand = buildCommand({
  docs: {
    brief: "Time the strategies against each other on a dataset's prompts",
    fullDescription:
      "Answers each sample by all strategies in turn, and prints a table; without flags by the embedded models, on a few " +
      "bundled prompts. The results file, with all traces, is for stats and viz.",
  },
  parameters: {
    flags: {
      ...modelFlags,
      dataset: text("Local HumanEval or MT-Bench file; default: a few bundled prompts", "FILE"),
      "num-samples": {
        kind: "parsed",
        parse: count(1),
        brief: "How many of its samples, from the first; default: all",
        placeholder: "N",
        optional: true,
      },
      strategies: {
        kind: "parsed",
        parse: parseStrategies,
        brief: "Which, with spaces or commas between",
        placeholder: "NAMES",
        default: NAMES.join(","),
      },
      "max-new-tokens": { kind: "parsed", parse: count(2), brief: "Longest answer", placeholder: "N", default: "64" },
      lookahead: {
        kind: "parsed",
        parse: count(1, MAX_ROWS - 1),
        brief: "Tokens that sd drafts at a time",
        placeholder: "N",
        default: "5",
      },
      seed: { kind: "parsed", parse: count(0), brief: "Of the order of strategies", placeholder: "N", default: "1" },
      "output-file": text("Write the results, as JSON, to this file after every answer", "FILE"),
      resume: { kind: "boolean", brief: "Go on with the results file of an interrupted run", default: false },
      force: { kind: "boolean", brief: "Replace the results file", default: false },
      json: { kind: "boolean", brief: "Print the statistics as JSON", default: false },
    },
  },
  func: async (flags: BenchmarkFlags) => {
    const { dataset, strategies, "max-new-tokens": maxNewTokens, lookahead, seed, "output-file": file } = flags;
    const samples = await chooseSamples(dataset, flags["num-samples"]);
    const before = await earlierResults(flags);
    const engine = await loadEngine(flags, strategies.some((name) => name !== "greedy"), (verify) => {
      const encoder = {
        encode: (prompt: string, raw = false) => encodePrompt(verify, prompt, raw),
        encodeChat: (messages: Parameters<typeof encodeChat>[2]) =>
          encodeChat(verify.tokenizer, verify.gguf.metadata, messages, { addGenerationPrompt: true }),
      };
      const wanted = contextOf(encoder, samples.map(({ sample }) => sample), maxNewTokens);
      return Math.min(wanted, verify.config.contextLength);
    });
    const abort = new AbortController();
    const onSignal = () => abort.signal.aborted ? process.exit(130) : abort.abort();
    process.on("SIGINT", onSignal);
    const progress = new Progress();
    try {
      const configuration: ResultsConfiguration = {
        models: engine.models,
        devices: engine.devices,
        kernels: engine.kernels,
        dataset: dataset ?? "bundled",
        strategies,
        samples: samples.map(({ index }) => index),
        maxNewTokens,
        lookahead,
        context: engine.context,
        kvCache: flags["kv-cache"],
        draftVocabulary: engine.draftVocabulary,
        seed,
      };
      if (before) assertSame(file!, before.configuration, configuration);
      const runs = [...before?.runs ?? []];
      const results: Results = {
        format: "amusd results",
        version: RESULTS_VERSION,
        created: before?.created ?? new Date().toISOString(),
        program: { version: manifest.version, runtime: runtime(), platform: `${process.platform}-${process.arch}` },
        configuration,
        runs,
      };
      const total = strategies.length * samples.reduce((sum, { sample }) => sum + sample.turns.length, 0);
      progress.show("warming up");
      await warmUp(engine, strategies);
      const startMs = performance.now();
      const begun = runs.length;
      const done = [...runs];
      progress.show(`answer ${begun + 1} of ${total}`);
      for await (
        const run of runBenchmark(engine, samples, {
          strategies,
          maxNewTokens,
          lookahead,
          seed,
          done,
          signal: abort.signal,
        })
      ) {
        runs.push(run);
        if (file !== undefined) await writeWhole(file, JSON.stringify(results) + "\n");
        const leftS = (performance.now() - startMs) / (runs.length - begun) * (total - runs.length) / 1000;
        progress.show(
          `answer ${Math.min(runs.length + 1, total)} of ${total}; ${run.strategy} ${
            run.msPerToken?.toFixed(1) ?? "-"
          } ms/token; ` +
            `${Math.ceil(leftS)} s left`,
        );
      }
      progress.clear();
      if (runs.length > 0) {
        const rows = statisticsOf(file ?? "benchmark", results);
        console.log(flags.json ? JSON.stringify(rows, null, 2) : renderTable(rows));
      }
      const other = runs.find(({ identical }) => !identical);
      if (other) {
        throw new Error(
          `The strategies disagree: ${other.strategy} answered sample ${other.sample}, turn ${
            other.turn + 1
          }, with another text; report it`,
        );
      }
      if (abort.signal.aborted) process.exitCode = 130;
    } finally {
      progress.clear();
      process.off("SIGINT", onSignal);
      await engine.close();
    }
  },
});

async function chooseSamples(dataset: string | undefined, most: number | undefined): Promise<IndexedSample[]> {
  const all = dataset === undefined ? bundledPrompts() : await loadPrompts(dataset);
  if (most !== undefined && most > all.length) {
    throw new RangeError(
      `Cannot take ${most} samples: the dataset has ${all.length}; give --num-samples ${all.length} or less`,
    );
  }
  return all.slice(0, most).map((sample, index) => ({ index, sample }));
}

/** The results to go on from, if any. Throws where the file can't be written, or is there and shall not be replaced. */
async function earlierResults({ "output-file": file, resume, force }: BenchmarkFlags): Promise<Results | null> {
  if (file === undefined) {
    if (resume) throw new UsageError("Cannot resume: give the --output-file of the interrupted run");
    return null;
  }
  if (resume) return parseResults(await readContent(file, "resume"), `Cannot resume "${file}"`);
  await assertWritable(file);
  if (!force) await assertNew(file);
  return null;
}

function assertSame(file: string, before: ResultsConfiguration, now: ResultsConfiguration): void {
  const differs = (Object.keys(now) as (keyof ResultsConfiguration)[])
    .find((key) => JSON.stringify(before[key]) !== JSON.stringify(now[key]));
  if (differs === undefined) return;
  throw new UsageError(
    `Cannot resume "${file}": its ${differs} is ${JSON.stringify(before[differs])}, now ${
      JSON.stringify(now[differs])
    }; ` +
      "give the flags of the interrupted run, or another file",
  );
}

function runtime(): string {
  const { deno, node } = process.versions as { deno?: string; node: string };
  return deno === undefined ? `Node ${node}` : `Deno ${deno}`;
}
