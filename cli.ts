#!/usr/bin/env node
/** The command line: argv to one call of what mod.ts offers, errors to one line, and the exit code. */
import {
  buildApplication,
  buildCommand,
  buildRouteMap,
  type CommandContext,
  numberParser,
  run,
  text_en,
} from "@stricli/core";
import { access, lstat, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import manifest from "./package.json" with { type: "json" };
import { loadPrompts, sampleAt } from "./src/bench/datasets.ts";
import { type AdapterInfo, listAdapters, USED_FEATURES } from "./src/gpu/adapters.ts";
import { closeModelPair, openModelPair } from "./src/model/model-file.ts";
import { chromeTrace } from "./src/spec/chrome-trace.ts";
import { encodePrompt, Engine } from "./src/spec/engine.ts";
import {
  assertPromptFits,
  type Generation,
  type GenerationRecord,
  STRATEGIES,
  type StrategyName,
} from "./src/spec/generation.ts";
import { MAX_ROWS } from "./src/spec/lane.ts";

const MODELS = new URL("./models/", import.meta.url);
const VERIFY_MODEL = "smollm2-135m-instruct-q4_1.gguf";
const DRAFT_MODEL = "smollm2-draft-42m-q8_0.gguf";
/** What measured best of all ids, 24576, 16384 and 8192: lab/draft-vocabulary. */
const DRAFT_VOCABULARY = 8_192;
const PROMPT = "Write a Python class for a stack with push, pop and peek.";

interface GenerateFlags {
  readonly strategy?: StrategyName;
  readonly "verify-model-path"?: string;
  readonly "draft-model-path"?: string;
  readonly "verify-device"?: string;
  readonly "draft-device"?: string;
  readonly prompt?: string;
  readonly "prompt-file"?: string;
  readonly dataset?: string;
  readonly "sample-index"?: number;
  readonly raw: boolean;
  readonly context?: number;
  readonly "kv-cache": "f16" | "f32";
  readonly "max-new-tokens": number;
  readonly lookahead: number;
  readonly "draft-vocab"?: number;
  readonly stop: readonly string[];
  readonly "output-file"?: string;
  readonly trace?: string;
  readonly json: boolean;
}

const text = (brief: string, placeholder: string) =>
  ({ kind: "parsed", parse: String, brief, placeholder, optional: true }) as const;
const count = (min: number, max = Infinity) => (input: string): number => {
  const value = numberParser(input);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new RangeError(
      `a whole number ${max === Infinity ? `of ${min} or more` : `from ${min} to ${max}`} is wanted`,
    );
  }
  return value;
};
const notEmpty = (input: string): string => {
  if (input === "") throw new RangeError("it is empty, a text is wanted");
  return input;
};

const generateCommand = buildCommand({
  docs: { brief: "Generate text after a prompt (the default command)" },
  parameters: {
    flags: {
      strategy: {
        kind: "enum",
        values: Object.keys(STRATEGIES) as StrategyName[],
        brief: "How to decode; default: amusd with a draft model, else greedy",
        optional: true,
      },
      "verify-model-path": text("GGUF of the model whose text you get; default: the embedded one", "FILE"),
      "draft-model-path": text("GGUF of a small model with the same vocabulary", "FILE"),
      "verify-device": text("Index or part of the name (see the devices command)", "DEVICE"),
      "draft-device": text("The same, for the draft model", "DEVICE"),
      prompt: text("What to say to the model; - reads standard input", "TEXT"),
      "prompt-file": text("File that holds the prompt; - is standard input", "FILE"),
      dataset: text("Local HumanEval or MT-Bench file to take the prompt from (a sample's first turn)", "FILE"),
      "sample-index": {
        kind: "parsed",
        parse: count(0),
        brief: "Which sample of it, from 0",
        placeholder: "N",
        optional: true,
      },
      raw: { kind: "boolean", brief: "Continue the prompt as it is, without the chat template", default: false },
      context: {
        kind: "parsed",
        parse: count(2),
        brief: "Positions of the key-value caches; default: what prompt and answer need",
        placeholder: "N",
        optional: true,
      },
      "kv-cache": { kind: "enum", values: ["f16", "f32"], brief: "How keys and values are kept", default: "f16" },
      "max-new-tokens": { kind: "parsed", parse: count(1), brief: "Longest answer", placeholder: "N", default: "256" },
      lookahead: {
        kind: "parsed",
        parse: count(1, MAX_ROWS - 1),
        brief: "Tokens that sd drafts at a time",
        placeholder: "N",
        default: "5",
      },
      "draft-vocab": {
        kind: "parsed",
        parse: count(1),
        brief: "The draft proposes only tokens with ids below N; default: all, of the embedded pair 8192",
        placeholder: "N",
        optional: true,
      },
      stop: {
        kind: "parsed",
        parse: notEmpty,
        brief: "Text that ends the answer; may be given several times",
        placeholder: "TEXT",
        variadic: true,
        default: [],
      },
      "output-file": text("Write the record, as JSON, to this file", "FILE"),
      trace: text("Write a trace that opens in Perfetto to this file", "FILE"),
      json: { kind: "boolean", brief: "Print the record as JSON instead of the text", default: false },
    },
  },
  func: async (flags: GenerateFlags) => {
    const { prompt, raw } = await readPrompt(flags);
    for (const file of [flags["output-file"], flags.trace]) if (file !== undefined) await assertWritable(file);
    const engine = await loadEngine(flags, prompt, raw);
    try {
      const abort = new AbortController();
      const onSignal = () => abort.signal.aborted ? process.exit(130) : abort.abort();
      process.on("SIGINT", onSignal);
      try {
        const { strategy, "max-new-tokens": maxNewTokens, lookahead, stop } = flags;
        const generation = engine.generate(prompt, {
          strategy,
          raw,
          maxNewTokens,
          lookahead,
          stop,
          signal: abort.signal,
        });
        await report(generation, flags);
        if (generation.record.finish === "abort") process.exitCode = 130;
      } finally {
        process.off("SIGINT", onSignal);
      }
    } finally {
      await engine.close();
    }
  },
});

const devicesCommand = buildCommand({
  docs: { brief: "List the devices that models can run on" },
  parameters: { flags: { json: { kind: "boolean", brief: "As JSON", default: false } } },
  func: async ({ json }: { readonly json: boolean }) => {
    const adapters = await listAdapters();
    if (json) console.log(JSON.stringify(adapters.map(({ request: _, ...shown }) => shown), null, 2));
    else for (const adapter of adapters) console.log(describeAdapter(adapter));
  },
});

function describeAdapter({ index, name, driver, kind, backend, features, limits, subgroupSizes }: AdapterInfo): string {
  const mib = (bytes = 0) => `${Math.floor(bytes / 2 ** 20)} MiB`;
  return [
    `${index}  ${name}`,
    `   ${kind}, ${backend}, ${driver}`,
    `   features: ${features.filter((f) => USED_FEATURES.includes(f)).join(", ") || "none"}; ` +
    `subgroups: ${subgroupSizes?.join(" to ") ?? "none"}`,
    `   buffers of ${mib(limits.maxBufferSize)}, bindings of ${mib(limits.maxStorageBufferBindingSize)}, ` +
    `${limits.maxStorageBuffersPerShaderStage} a shader`,
  ].join("\n");
}

async function readPrompt(flags: GenerateFlags): Promise<{ prompt: string; raw: boolean }> {
  const { prompt, "prompt-file": promptFile, dataset, "sample-index": sampleIndex, raw } = flags;
  const given = [prompt, promptFile, dataset].filter((source) => source !== undefined);
  if (given.length > 1) {
    throw new UsageError("Cannot take several prompts: give one of --prompt, --prompt-file, --dataset");
  }
  if (sampleIndex !== undefined && dataset === undefined) {
    throw new UsageError("Cannot take --sample-index by itself: give --dataset too");
  }
  if (dataset !== undefined) {
    const sample = sampleAt(await loadPrompts(dataset), sampleIndex ?? 0);
    return { prompt: sample.turns[0]!, raw: raw || sample.task === "complete" };
  }
  if (prompt === "-" || promptFile === "-") return { prompt: await readStdin(), raw };
  if (promptFile === undefined) return { prompt: prompt ?? PROMPT, raw };
  const content = await readFile(promptFile, "utf8").catch((error) => {
    throw new Error(`Cannot read the prompt "${promptFile}": ${error.code ?? error.message}; check the path`);
  });
  return { prompt: content, raw };
}

async function readStdin(): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  return new TextDecoder().decode(Buffer.concat(chunks));
}

async function loadEngine(flags: GenerateFlags, prompt: string, raw: boolean): Promise<Engine> {
  const { verify, draft, draftVocabulary } = await modelPaths(flags);
  const pair = await openModelPair(verify, draft);
  let context;
  try {
    const promptTokens = encodePrompt(pair.verify, prompt, raw).length;
    const trained = pair.verify.config.contextLength;
    context = flags.context ?? Math.min(trained, promptTokens + flags["max-new-tokens"]);
    assertPromptFits(promptTokens, context);
  } catch (error) {
    await closeModelPair(pair);
    throw error;
  }
  const progress = new Progress();
  try {
    return await Engine.load(pair, {
      verifyDevice: flags["verify-device"],
      draftDevice: flags["draft-device"],
      context,
      cache: flags["kv-cache"],
      draftVocabulary: flags["draft-vocab"] ?? draftVocabulary,
      onProgress: (done, total) => progress.show(`loading ${Math.floor(100 * done / total)} %`),
    });
  } finally {
    progress.clear();
  }
}

interface ModelPaths {
  readonly verify: string;
  readonly draft?: string;
  readonly draftVocabulary?: number;
}

/** The models' files. The embedded draft goes with the embedded verify model only. */
async function modelPaths(flags: GenerateFlags): Promise<ModelPaths> {
  const { strategy, "verify-model-path": verify, "draft-model-path": draft } = flags;
  if (verify !== undefined) {
    if (draft === undefined && strategy !== undefined && strategy !== "greedy") {
      throw new UsageError(`Cannot decode by "${strategy}" without a draft model: give --draft-model-path`);
    }
    return { verify, draft: strategy === "greedy" ? undefined : draft };
  }
  const embedded = (name: string) => fileURLToPath(new URL(name, MODELS));
  await access(embedded(VERIFY_MODEL)).catch(() => {
    throw new UsageError("Cannot use the embedded models: this package came without; give --verify-model-path FILE");
  });
  if (strategy === "greedy") return { verify: embedded(VERIFY_MODEL) };
  if (draft !== undefined) return { verify: embedded(VERIFY_MODEL), draft };
  return { verify: embedded(VERIFY_MODEL), draft: embedded(DRAFT_MODEL), draftVocabulary: DRAFT_VOCABULARY };
}

/** Streams the text, then writes what was asked for; also when an error ends the generation, which is then thrown. */
async function report(
  generation: Generation,
  { json, trace, "output-file": outputFile }: GenerateFlags,
): Promise<void> {
  try {
    for await (const { text } of generation) if (!json) process.stdout.write(text);
  } finally {
    if (!json) process.stdout.write("\n");
    const record = generation.record;
    if (json) console.log(JSON.stringify(record));
    if (outputFile !== undefined) await writeWhole(outputFile, JSON.stringify(record, null, 1) + "\n");
    if (trace !== undefined) await writeWhole(trace, JSON.stringify(chromeTrace(record.events)) + "\n");
    console.error(summaryText(record));
  }
}

function summaryText(record: GenerationRecord): string {
  const { strategy, tokens, msPerToken, ttftMs, finish, lanes, overlapMs } = record;
  const number = (value: number | null, digits = 1) => value === null ? "-" : value.toFixed(digits);
  const totalMs = lanes[0]!.busyMs + lanes[0]!.idleMs;
  const share = (ms: number) => `${Math.round(100 * ms / Math.max(totalMs, 1e-9))} %`;
  const lines = [
    `${strategy}: ${tokens.length} tokens (${finish}), ${number(msPerToken)} ms/token, first after ${
      number(ttftMs, 0)
    } ms`,
    ...lanes.map(({ name, busyMs, idleMs }) =>
      `${name} on ${record.devices[name]}: busy ${number(busyMs, 0)} ms (${share(busyMs)}), idle ${
        number(idleMs, 0)
      } ms`
    ),
  ];
  if (lanes.length > 1) {
    lines.splice(
      1,
      0,
      `${record.verifications} verifications of ${
        number(record.tokensPerVerification, 2)
      } tokens; ${record.drafted} drafted, ` +
        `${record.accepted} accepted (${number(record.acceptance, 2)} of the verified)`,
    );
    lines.push(`both busy at once: ${number(overlapMs, 0)} ms (${share(overlapMs)})`);
  }
  return lines.join("\n");
}

/** So that a long run does not end with nowhere to write its record. */
async function assertWritable(file: string): Promise<void> {
  const found = (name: string) => stat(name).catch(() => null);
  if (!(await found(path.dirname(path.resolve(file))))?.isDirectory()) {
    throw new Error(`Cannot write "${file}": there is no such folder; make it, or choose another one`);
  }
  if ((await found(file))?.isDirectory()) {
    throw new Error(`Cannot write "${file}": it is a folder, a file is wanted; choose another name`);
  }
}

/** Writes a file that is there whole or not at all; but what is no plain file (a pipe, a device, a link) stays what it is. */
async function writeWhole(file: string, content: string): Promise<void> {
  const existing = await lstat(file).catch(() => null);
  const special = existing !== null && !existing.isFile();
  const target = special ? file : `${file}.${process.pid}.part`;
  try {
    await writeFile(target, content);
    if (!special) await rename(target, file);
  } catch (error) {
    if (!special) await rm(target, { force: true });
    throw new Error(`Cannot write "${file}": ${oneLine(error)}; choose another place`);
  }
}

/** A line on stderr that writes itself over, if that is a terminal. */
class Progress {
  #shown = "";
  show(line: string): void {
    if (!process.stderr.isTTY || line === this.#shown) return;
    this.#shown = line;
    process.stderr.write(`\r\x1b[K${line}`);
  }
  clear(): void {
    if (this.#shown !== "") process.stderr.write("\r\x1b[K");
  }
}

/** What the user typed can't be done: exit code 2. */
class UsageError extends Error {}

const application = buildApplication(
  buildRouteMap({
    routes: { generate: generateCommand, devices: devicesCommand },
    defaultCommand: "generate",
    docs: { brief: manifest.description },
  }),
  {
    name: "amusd",
    versionInfo: { currentVersion: manifest.version },
    documentation: { disableAnsiColor: !process.stderr.isTTY || !process.stdout.isTTY },
    determineExitCode: (error) => error instanceof UsageError ? 2 : 1,
    localization: {
      loadText: () => ({ ...text_en, exceptionWhileRunningCommand: (error: unknown) => oneLine(error) }),
    },
  },
);

function oneLine(error: unknown): string {
  return error instanceof Error ? error.message.replace(/\s*\n\s*/g, " ") : String(error);
}

// Stricli's own exit codes for what was typed wrong are negative.
const context: CommandContext & { process: { exitCode?: number | string | null } } = { process };
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));
await run(application, process.argv.slice(2), context);
if (Number(process.exitCode) < 0) process.exitCode = 2;
