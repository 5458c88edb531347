import { buildCommand } from "@stricli/core";
import os from "node:os";
import process from "node:process";
import manifest from "../../package.json" with { type: "json" };
import { answersOf, type Protocol, runBenchmark, sampleSize, warmUp } from "../benchmark/benchmark.ts";
import { bundledPrompts, type DatasetSamples, type IndexedSample, readSamples } from "../benchmark/datasets.ts";
import { laneThreads, processSource } from "../benchmark/monitor/cpu.ts";
import { Monitor } from "../benchmark/monitor/monitor.ts";
import { parseInterrupted, type Results, RESULTS_VERSION } from "../benchmark/results.ts";
import { statisticsOf } from "../benchmark/statistics.ts";
import { renderTable } from "../benchmark/table.ts";
import type { Engine, StrategyName, TextCodec } from "../../mod.ts";
import { assertPromptFits, STRATEGIES } from "../engine/generation-run.ts";
import { type BenchmarkState, progressLine } from "./benchmark-progress.ts";
import { samplingOf } from "../engine/sampling-options.ts";
import { assertDrafter, type DecodingFlags, decodingFlags, decodingOptions, hasDrafter } from "./decoding.ts";
import { oneLine, UsageError } from "./errors.ts";
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
  readonly turns: Protocol["turns"];
  readonly raw: boolean;
  readonly strategies?: readonly StrategyName[];
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
      turns: {
        kind: "enum",
        values: ["all", "last"],
        brief:
          "Answer all messages of the user's, behind the models' own answers; or, as the original program does, the " +
          "last turn alone, behind system text and answers as the dataset has them",
        default: "all",
      },
      raw: { kind: "boolean", brief: "Continue the prompts as they are, without the chat template", default: false },
      strategies: {
        kind: "parsed",
        parse: parseStrategies,
        brief: "Which, with spaces or commas between; default: all, or greedy where there is nothing to draft with",
        placeholder: "NAMES",
        optional: true,
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
    const { dataset, "max-tokens": maxTokens, lookahead, seed, "output-file": file } = flags;
    const { strategies = hasDrafter(flags) ? NAMES : ["greedy"] } = flags;
    assertDrafter(strategies, flags);
    const decoding = decodingOptions(flags);
    const chosen = await chooseSamples(flags);
    const before = await earlierResults(flags);
    let samples = chosen.samples;
    // The context must be known before the models are on their devices: their caches are made as they are loaded.
    const engine = await loadEngine(flags, strategies.some((name) => name !== "greedy"), (codec) => {
      const fitting = fittingSamples(codec, chosen.samples, maxTokens, flags);
      samples = fitting.samples;
      return fitting.context;
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
        skipped: chosen.skipped + chosen.samples.length - samples.length,
        turns: flags.turns,
        raw: flags.raw,
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
        assertSame(file!, { ...EARLIER, ...before.configuration }, configuration);
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
        const turns = samples.map(({ sample }) => answersOf(sample, flags));
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
          turns: flags.turns,
          raw: flags.raw,
          context: engine.context,
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

/** What results have that do not say it. */
const EARLIER = { skipped: 0, turns: "all", raw: false } as const;

/** The samples that the flags ask for. Rows without a prompt are told. */
async function chooseSamples(
  { dataset, column, offline, "num-samples": most }: BenchmarkFlags,
): Promise<DatasetSamples> {
  if (dataset !== undefined) {
    const chosen = await readSamples(await datasetFiles(dataset, offline), { column, most });
    const { skipped, firstSkipped } = chosen;
    if (skipped > 0) console.error(`Skipped ${rowsText(skipped)} without a prompt of "${dataset}": ${firstSkipped}`);
    return chosen;
  }
  if (column !== undefined) throw new UsageError("Cannot take --column by itself: give --dataset too");
  const all = bundledPrompts();
  if (most !== undefined && most > all.length) {
    throw new RangeError(
      `Cannot take ${most} samples: the dataset has ${all.length}; give --num-samples ${all.length} or less`,
    );
  }
  return { samples: all.slice(0, most).map((sample, index) => ({ index, sample })), skipped: 0, firstSkipped: "" };
}

/**
 * The samples that the chat template takes and whose first prompt fits the model's context, and the context for them;
 * the others are told. Throws where none is left.
 */
function fittingSamples(
  codec: TextCodec,
  samples: readonly IndexedSample[],
  maxTokens: number,
  protocol: Protocol,
): { readonly samples: readonly IndexedSample[]; readonly context: number } {
  let context = 0;
  const refused: unknown[] = [];
  const fitting = samples.filter(({ sample }) => {
    try {
      const { promptTokens, positions } = sampleSize(codec, sample, maxTokens, protocol);
      assertPromptFits(promptTokens, codec.contextLength);
      context = Math.max(context, Math.min(positions, codec.contextLength));
      return true;
    } catch (error) {
      refused.push(error);
      return false;
    }
  });
  if (fitting.length === 0) throw refused[0];
  if (refused.length > 0) {
    console.error(`Skipped ${rowsText(refused.length)} that the model can't take: ${oneLine(refused[0])}`);
  }
  return { samples: fitting, context };
}

function rowsText(count: number): string {
  return count === 1 ? "a row" : `${count} rows`;
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
