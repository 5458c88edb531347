import { buildCommand } from "@stricli/core";
import os from "node:os";
import process from "node:process";
import manifest from "../../package.json" with { type: "json" };
import { contextOf, type IndexedSample, runBenchmark, warmUp } from "../benchmark/benchmark.ts";
import { bundledPrompts, openDataset } from "../benchmark/datasets.ts";
import { laneThreads, processSource } from "../benchmark/monitor/cpu.ts";
import { Monitor } from "../benchmark/monitor/monitor.ts";
import { parseInterrupted, type Results, RESULTS_VERSION } from "../benchmark/results.ts";
import { statisticsOf } from "../benchmark/statistics.ts";
import { renderTable } from "../benchmark/table.ts";
import type { Engine, StrategyName } from "../../mod.ts";
import { STRATEGIES } from "../engine/generation-run.ts";
import { type BenchmarkState, progressLine } from "./benchmark-progress.ts";
import { samplingOf } from "../engine/sampling-options.ts";
import { assertDrafter, type DecodingFlags, decodingFlags, decodingOptions } from "./decoding.ts";
import { UsageError } from "./errors.ts";
import { columnFlag, count, text } from "./flags.ts";
import { datasetFiles, loadEngine, type ModelFlags, modelFlags } from "./models.ts";
import { readContent } from "./input.ts";
import { prepareOutput, Progress } from "./output.ts";
import { ResultsFile } from "./results-file.ts";
import { seedParser } from "./sampling.ts";

interface BenchmarkFlags extends ModelFlags, DecodingFlags {
  readonly dataset?: string;
  readonly column?: string;
  readonly "num-samples"?: number;
  readonly strategies: readonly StrategyName[];
  readonly "max-tokens": number;
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
      "Answers each sample by all strategies in turn, and prints a table; without flags by the embedded models, on a " +
      "few bundled prompts. The results file, with all traces, is for stats and viz.",
  },
  parameters: {
    flags: {
      ...modelFlags,
      dataset: text(
        "File (.jsonl, .jsonl.gz, .json, .parquet) or a hub's owner/name; default: a few bundled prompts",
        "DATASET",
      ),
      column: columnFlag,
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
      "max-tokens": { kind: "parsed", parse: count(2), brief: "Longest answer", placeholder: "N", default: "64" },
      ...decodingFlags,
      seed: {
        kind: "parsed",
        parse: seedParser,
        brief: "Seeds the order of strategies, and the tokens drawn with --temperature",
        placeholder: "N",
        default: "1",
      },
      "output-file": text("Write the results, as JSON, to this file after every answer", "FILE"),
      resume: { kind: "boolean", brief: "Go on with the results file of an interrupted run", default: false },
      force: { kind: "boolean", brief: "Replace the results file", default: false },
      json: { kind: "boolean", brief: "Print the statistics as JSON", default: false },
    },
  },
  func: async (flags: BenchmarkFlags) => {
    const { dataset, strategies, "max-tokens": maxTokens, lookahead, seed, "output-file": file } = flags;
    assertDrafter(strategies, flags);
    const decoding = decodingOptions(flags);
    const samples = await chooseSamples(flags);
    const before = await earlierResults(flags);
    // The context must be known before the models are on their devices: their caches are made as they are loaded.
    const engine = await loadEngine(flags, strategies.some((name) => name !== "greedy"), (codec) => {
      const wanted = contextOf(codec, samples.map(({ sample }) => sample), maxTokens);
      return Math.min(wanted, codec.contextLength);
    });
    const abort = new AbortController();
    // The first Ctrl-C ends the run in order, a second one at once.
    const onSignal = () => abort.signal.aborted ? process.exit(130) : abort.abort();
    process.on("SIGINT", onSignal);
    const progress = new Progress();
    const threads = softwareThreads(engine);
    const monitor = await Monitor.open(
      Object.entries(engine.adapters).map(([name, adapter]) => ({ name, adapter })),
      { cpu: processSource(threads ?? os.availableParallelism(), performance.now()) },
    );
    try {
      const program = programOf(engine);
      const configuration = {
        models: engine.models,
        devices: engine.devices,
        variants: engine.variants,
        dataset: dataset ?? "bundled",
        strategies,
        samples: samples.map(({ index }) => index),
        maxTokens,
        lookahead,
        launch: flags.launch,
        hedge: flags.hedge === "on",
        drafter: flags.drafter,
        context: engine.context,
        kvCache: flags["kv-cache"],
        draftVocabulary: engine.draftVocabulary,
        threads,
        sampling: samplingOf(decoding),
        seed,
      };
      if (before) {
        assertSame(file!, before.configuration, configuration);
        assertSame(file!, before.program, program);
      }
      const runs = [...before?.runs ?? []];
      const results: Results = {
        format: "amusd results",
        version: RESULTS_VERSION,
        created: before?.created ?? new Date().toISOString(),
        program,
        configuration,
        runs,
      };
      const written = file === undefined ? null : new ResultsFile(file, results);
      if (before) await written!.writeAll();
      progress.show("warming up");
      await warmUp(engine, strategies, decoding);
      const startMs = performance.now();
      const begun = runs.length;
      const done = [...runs];
      const showProgress = (prefill?: BenchmarkState["prefill"]) => {
        const turns = samples.map(({ sample }) => sample.turns.length);
        const elapsedMs = performance.now() - startMs;
        progress.show(progressLine({ strategies, runs, turns, before: begun, elapsedMs, prefill }));
      };
      // The prompt's last token is fed by the first verification, not by the prefill.
      const onPrefill = (fed: number, of: number) => showProgress(fed < of - 1 ? { fed, of } : undefined);
      showProgress();
      for await (
        const run of runBenchmark(engine, samples, {
          strategies,
          maxTokens,
          decoding: { ...decoding, onPrefill },
          seed,
          done,
          signal: abort.signal,
          watch: () => monitor.watch(),
        })
      ) {
        runs.push(run);
        await written?.append(run);
        showProgress();
      }
      await written?.finish();
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
      monitor.close();
      await engine.close();
    }
  },
});

async function chooseSamples(
  { dataset, column, offline, "num-samples": most }: BenchmarkFlags,
): Promise<IndexedSample[]> {
  if (column !== undefined && dataset === undefined) {
    throw new UsageError("Cannot take --column by itself: give --dataset too");
  }
  const all = dataset === undefined
    ? bundledPrompts()
    : await openDataset(await datasetFiles(dataset, offline), column);
  if (most !== undefined && most > all.length) {
    throw new RangeError(
      `Cannot take ${most} samples: the dataset has ${all.length}; give --num-samples ${all.length} or less`,
    );
  }
  const count = most ?? all.length;
  const samples = Array.isArray(all) ? all.slice(0, count) : await all.take(0, count);
  return samples.map((sample, index) => ({ index, sample }));
}

/**
 * The results to go on from, if any. Throws an Error where the file can't be written, a UsageError where it is there
 * and shall not be replaced.
 */
async function earlierResults({ "output-file": file, resume, force }: BenchmarkFlags): Promise<Results | null> {
  if (file === undefined) {
    if (resume) throw new UsageError("Cannot resume: give the --output-file of the interrupted run");
    return null;
  }
  if (resume) return parseInterrupted(await readContent(file, "resume"), `Cannot resume "${file}"`);
  await prepareOutput(file, force);
  return null;
}

/** Throws a UsageError where an interrupted run had another configuration or program: their runs can't be compared. */
function assertSame<T extends object>(file: string, before: T, now: T): void {
  const differs = (Object.keys(now) as (keyof T & string)[])
    .find((key) => JSON.stringify(before[key]) !== JSON.stringify(now[key]));
  if (differs === undefined) return;
  throw new UsageError(
    `Cannot resume "${file}": its ${differs} is ${JSON.stringify(before[differs])}, now ${
      JSON.stringify(now[differs])
    }; ` +
      "give the flags and the programs of the interrupted run, or another file",
  );
}

/** The threads that the software lanes have together; null where no lane computes on the CPU. */
function softwareThreads({ adapters }: Engine): number | null {
  const lanes = Object.values(adapters).filter(({ kind }) => kind === "software").length;
  return lanes > 0 ? laneThreads(lanes) : null;
}

function programOf({ adapters }: Engine): Results["program"] {
  return {
    version: manifest.version,
    runtime: runtime(),
    platform: `${process.platform}-${process.arch}`,
    os: `${os.type()} ${os.release()}`,
    webgpu: manifest.dependencies.webgpu,
    drivers: Object.fromEntries(Object.entries(adapters).map(([lane, { driver }]) => [lane, driver])),
  };
}

function runtime(): string {
  const { deno, node } = process.versions as { deno?: string; node: string };
  return deno === undefined ? `Node ${node}` : `Deno ${deno}`;
}
