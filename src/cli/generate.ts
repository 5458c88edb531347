import { buildCommand } from "@stricli/core";
import process from "node:process";
import { lastPrompt, plainText, userTurns } from "../benchmark/conversation.ts";
import { readSample } from "../benchmark/datasets.ts";
import { ChromeTrace } from "../spec/trace/chrome-trace.ts";
import type { ChatMessage, Engine, Generation, StrategyName, TraceEvent } from "../../mod.ts";
import { assertPromptFits, STRATEGIES } from "../engine/generation-run.ts";
import { assertDrafter, type DecodingFlags, decodingFlags, decodingOptions } from "./decoding.ts";
import { UsageError } from "./errors.ts";
import { columnFlag, count, notEmpty, text } from "./flags.ts";
import { readStdin, readText } from "./input.ts";
import { datasetFiles, loadEngine, type ModelFlags, modelFlags } from "./models.ts";
import { PieceWriter, prepareOutput, Progress, writeWhole } from "./output.ts";
import { seedParser } from "./sampling.ts";
import { summaryText } from "./summary-text.ts";
import { type Profile, profileOf, profileText } from "./profile.ts";

const PROMPT = "Write a Python class for a stack with push, pop and peek.";

interface GenerateFlags extends ModelFlags, DecodingFlags {
  readonly strategy?: StrategyName;
  readonly prompt?: string;
  readonly "prompt-file"?: string;
  readonly dataset?: string;
  readonly column?: string;
  readonly "sample-index"?: number;
  readonly turns?: "first" | "last";
  readonly raw: boolean;
  readonly special: boolean;
  readonly context?: number;
  readonly "max-tokens": number;
  readonly stop: readonly string[];
  readonly "output-file"?: string;
  readonly trace?: string;
  readonly force: boolean;
  readonly profile: boolean;
  readonly json: boolean;
}

export const generateCommand = buildCommand({
  docs: { brief: "Generate text after a prompt (the default command)" },
  parameters: {
    flags: {
      strategy: {
        kind: "enum",
        values: Object.keys(STRATEGIES) as StrategyName[],
        brief: "How to decode; default: amusd where there is something to draft with, else greedy",
        optional: true,
      },
      ...modelFlags,
      prompt: text("What to say to the model; - reads standard input; default: a sample", "TEXT"),
      "prompt-file": text("File that holds the prompt; - is standard input", "FILE"),
      dataset: text(
        "File (.jsonl, .jsonl.gz, .json, .parquet) or a hub's owner/name to take the prompt from",
        "DATASET",
      ),
      column: columnFlag,
      "sample-index": {
        kind: "parsed",
        parse: count(0),
        brief: "Which row of it, from 0; default: the first with a prompt",
        placeholder: "N",
        optional: true,
      },
      turns: {
        kind: "enum",
        values: ["first", "last"],
        brief: "Answer the sample's first turn; or its last, as the original program does, behind system text and " +
          "answers as the dataset has them; default: first",
        optional: true,
      },
      raw: { kind: "boolean", brief: "Continue the prompt as it is, without the chat template", default: false },
      special: {
        kind: "boolean",
        brief:
          "With --raw: the text of a control token, such as <|im_start|>, is that token; with --no-special it is text",
        default: true,
      },
      context: {
        kind: "parsed",
        parse: count(2),
        brief: "Positions of the KV caches; default: what prompt and answer need",
        placeholder: "N",
        optional: true,
      },
      "max-tokens": { kind: "parsed", parse: count(1), brief: "Longest answer", placeholder: "N", default: "256" },
      ...decodingFlags,
      seed: {
        kind: "parsed",
        parse: seedParser,
        brief:
          "The same seed draws the same text on one device, however it is decoded; default: a new one each time, " +
          "told at the end",
        placeholder: "N",
        optional: true,
      },
      stop: {
        kind: "parsed",
        parse: notEmpty,
        brief: "Text or control token that ends the answer; may be given several times",
        placeholder: "TEXT",
        variadic: true,
        default: [],
      },
      "output-file": text("Write the record, as JSON, to this file", "FILE"),
      trace: text("Write a trace that opens in Perfetto to this file", "FILE"),
      force: { kind: "boolean", brief: "Replace these files", default: false },
      profile: {
        kind: "boolean",
        brief: "Then measure the kernels, at the context reached: time, bytes, multiply-adds, share of the limit",
        default: false,
      },
      json: {
        kind: "boolean",
        brief: "Print the record as JSON, alone on stdout, instead of the text",
        default: false,
      },
    },
  },
  func: async (flags: GenerateFlags) => {
    const decoding = decodingOptions(flags);
    const { prompt, raw } = await readPrompt(flags);
    for (const file of [flags["output-file"], flags.trace]) {
      if (file !== undefined) await prepareOutput(file, flags.force);
    }
    const { strategy, "max-tokens": maxTokens, stop } = flags;
    const drafts = strategy !== "greedy";
    if (strategy) assertDrafter([strategy], flags);
    let tokens: readonly number[] = [];
    const engine = await loadEngine(flags, drafts, (codec) => {
      tokens = typeof prompt === "string"
        ? codec.encode(prompt, { raw, special: flags.special })
        : codec.encodeChat(prompt);
      const context = flags.context ?? Math.min(codec.contextLength, tokens.length + maxTokens);
      assertPromptFits(tokens.length, context);
      return context;
    });
    try {
      const abort = new AbortController();
      const onSignal = () => abort.signal.aborted ? process.exit(130) : abort.abort();
      process.on("SIGINT", onSignal);
      const traceFile = flags.trace === undefined ? undefined : new TraceFile(flags.trace);
      try {
        const progress = new Progress({ afterMs: 1000 });
        const generation = engine.generate(tokens, {
          // The record and the profile need all events: without them a run of any length takes no more memory.
          trace: flags.json || flags.profile || flags["output-file"] !== undefined
            ? "keep"
            : (event) => traceFile?.add(event),
          strategy,
          maxTokens,
          ...decoding,
          stop,
          signal: abort.signal,
          onPrefill: (fed, promptTokens) => progress.show(`prefill ${fed} of ${promptTokens} tokens`),
        });
        await report(generation, engine, flags, progress, traceFile);
        if (await generation.finishReason === "abort") process.exitCode = 130;
      } finally {
        process.off("SIGINT", onSignal);
      }
    } finally {
      await engine.close();
    }
  },
});

/** The text to answer, or to continue with `raw`, or the conversation to answer. */
async function readPrompt(
  flags: GenerateFlags,
): Promise<{ readonly prompt: string | readonly ChatMessage[]; readonly raw: boolean }> {
  const { prompt, "prompt-file": promptFile, dataset, column, "sample-index": sampleIndex, turns, raw } = flags;
  const given = [prompt, promptFile, dataset].filter((source) => source !== undefined);
  if (given.length > 1) {
    throw new UsageError("Cannot take several prompts: give one of --prompt, --prompt-file, --dataset");
  }
  for (const [name, value] of Object.entries({ "sample-index": sampleIndex, column, turns })) {
    if (value !== undefined && dataset === undefined) {
      throw new UsageError(`Cannot take --${name} by itself: give --dataset too`);
    }
  }
  if (dataset !== undefined) {
    const sample = await readSample(await datasetFiles(dataset, flags.offline), sampleIndex, column);
    const asked = turns === "last" ? lastPrompt(sample) : userTurns(sample).slice(0, 1);
    const isRaw = raw || sample.task === "complete";
    return { prompt: isRaw ? plainText(asked) : asked, raw: isRaw };
  }
  if (prompt === "-" || promptFile === "-") return { prompt: await readStdin(), raw };
  if (promptFile === undefined) return { prompt: prompt ?? PROMPT, raw };
  return { prompt: await readText(promptFile, "read the prompt"), raw };
}

/** Streams the text, then writes what was asked for; also when an error ends the generation, which is then thrown. */
async function report(
  generation: Generation,
  engine: Engine,
  { json, "output-file": outputFile, profile: wantsProfile }: GenerateFlags,
  progress: Progress,
  traceFile: TraceFile | undefined,
): Promise<void> {
  let profile: Profile | undefined;
  try {
    for await (const { text } of generation) {
      progress.clear();
      if (!json) process.stdout.write(text);
    }
    const record = await generation.record;
    if (wantsProfile && record.finishReason !== "abort") profile = await profileOf(engine, record);
  } finally {
    progress.clear();
    if (!json) process.stdout.write("\n");
    const record = { ...await generation.record, profile };
    // Scripts that were written for earlier records read the reason as "finish".
    const written = { ...record, finish: record.finishReason };
    if (json) console.log(JSON.stringify(written));
    if (outputFile !== undefined) await writeWhole(outputFile, JSON.stringify(written, null, 1) + "\n");
    for (const event of record.events) traceFile?.add(event);
    await traceFile?.end();
    console.error(summaryText(record));
    if (profile) console.error(profileText(profile, record.devices));
  }
}

/** A run's trace in Chrome's trace event format, written as the events come. */
class TraceFile {
  readonly #trace = new ChromeTrace();
  readonly #file: PieceWriter;

  constructor(file: string) {
    this.#file = new PieceWriter(file);
    this.#file.write(`{"displayTimeUnit":"ms","traceEvents":[\n${JSON.stringify(this.#trace.host)}`);
  }

  add(event: TraceEvent): void {
    for (const entry of this.#trace.add(event)) this.#file.write(`,\n${JSON.stringify(entry)}`);
  }

  async end(): Promise<void> {
    this.#file.write("\n]}\n");
    await this.#file.end();
  }
}
