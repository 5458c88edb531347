import { buildCommand } from "@stricli/core";
import { readFile } from "node:fs/promises";
import process from "node:process";
import { loadPrompts, sampleAt } from "../bench/datasets.ts";
import { chromeTrace } from "../spec/chrome-trace.ts";
import { encodePrompt, type Engine } from "../spec/engine.ts";
import {
  assertPromptFits,
  type Generation,
  type GenerationRecord,
  STRATEGIES,
  type StrategyName,
} from "../spec/generation.ts";
import { MAX_ROWS } from "../spec/lane.ts";
import { UsageError } from "./errors.ts";
import { count, notEmpty, text } from "./flags.ts";
import { type Profile, profileOf, profileText } from "./profile.ts";
import { loadEngine, type ModelFlags, modelFlags } from "./models.ts";
import { assertWritable, writeWhole } from "./output.ts";

const PROMPT = "Write a Python class for a stack with push, pop and peek.";

interface GenerateFlags extends ModelFlags {
  readonly strategy?: StrategyName;
  readonly prompt?: string;
  readonly "prompt-file"?: string;
  readonly dataset?: string;
  readonly "sample-index"?: number;
  readonly raw: boolean;
  readonly context?: number;
  readonly "max-new-tokens": number;
  readonly lookahead: number;
  readonly stop: readonly string[];
  readonly "output-file"?: string;
  readonly trace?: string;
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
        brief: "How to decode; default: amusd with a draft model, else greedy",
        optional: true,
      },
      ...modelFlags,
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
      "max-new-tokens": { kind: "parsed", parse: count(1), brief: "Longest answer", placeholder: "N", default: "256" },
      lookahead: {
        kind: "parsed",
        parse: count(1, MAX_ROWS - 1),
        brief: "Tokens that sd drafts at a time",
        placeholder: "N",
        default: "5",
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
      profile: {
        kind: "boolean",
        brief: "Then measure the kernels, at the context reached: time, bytes, multiply-adds, share of the limit",
        default: false,
      },
      json: { kind: "boolean", brief: "Print the record as JSON instead of the text", default: false },
    },
  },
  func: async (flags: GenerateFlags) => {
    const { prompt, raw } = await readPrompt(flags);
    for (const file of [flags["output-file"], flags.trace]) if (file !== undefined) await assertWritable(file);
    const { strategy, "max-new-tokens": maxNewTokens, lookahead, stop } = flags;
    const drafts = strategy !== "greedy";
    if (drafts && strategy && flags["verify-model-path"] !== undefined && flags["draft-model-path"] === undefined) {
      throw new UsageError(`Cannot decode by "${strategy}" without a draft model: give --draft-model-path`);
    }
    const engine = await loadEngine(flags, drafts, (verify) => {
      const promptTokens = encodePrompt(verify, prompt, raw).length;
      const context = flags.context ?? Math.min(verify.config.contextLength, promptTokens + maxNewTokens);
      assertPromptFits(promptTokens, context);
      return context;
    });
    try {
      const abort = new AbortController();
      const onSignal = () => abort.signal.aborted ? process.exit(130) : abort.abort();
      process.on("SIGINT", onSignal);
      try {
        const generation = engine.generate(prompt, {
          strategy,
          raw,
          maxNewTokens,
          lookahead,
          stop,
          signal: abort.signal,
        });
        await report(generation, engine, flags);
        if (generation.record.finish === "abort") process.exitCode = 130;
      } finally {
        process.off("SIGINT", onSignal);
      }
    } finally {
      await engine.close();
    }
  },
});

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

/** Streams the text, then writes what was asked for; also when an error ends the generation, which is then thrown. */
async function report(
  generation: Generation,
  engine: Engine,
  { json, trace, "output-file": outputFile, profile: wantsProfile }: GenerateFlags,
): Promise<void> {
  let profile: Profile | undefined;
  try {
    for await (const { text } of generation) if (!json) process.stdout.write(text);
    if (wantsProfile && generation.record.finish !== "abort") profile = await profileOf(engine, generation.record);
  } finally {
    if (!json) process.stdout.write("\n");
    const record = { ...generation.record, profile };
    if (json) console.log(JSON.stringify(record));
    if (outputFile !== undefined) await writeWhole(outputFile, JSON.stringify(record, null, 1) + "\n");
    if (trace !== undefined) await writeWhole(trace, JSON.stringify(chromeTrace(record.events)) + "\n");
    console.error(summaryText(record));
    if (profile) console.error(profileText(profile, record.devices));
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
