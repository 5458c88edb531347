import { buildCommand } from "@stricli/core";
import { access } from "node:fs/promises";
import { upgraded } from "../benchmark/upgrade.ts";
import { openModelFile } from "../engine/model-pair.ts";
import {
  type HardwareSpec,
  type ModelWork,
  needsModel,
  parseHardware,
  passMs,
  prefillMs,
  SHIPPED_HARDWARE,
  shippedHardware,
} from "../plan/hardware-spec.ts";
import { namedModel, SHAPE_NAMES, workOf } from "../plan/model-work.ts";
import { type Plan, plan } from "../plan/plan.ts";
import { benchTimes, recordedTimes, tracesOf } from "../plan/recorded.ts";
import { HEDGED, type LaneTimes, type SimulatedHardware, simulateRun } from "../plan/simulate.ts";
import { type Acceptance, betaAcceptance, recordedAcceptance } from "../plan/simulated-pair.ts";
import { chromeTrace } from "../spec/trace/chrome-trace.ts";
import { sum } from "../util/numbers.ts";
import { textTable } from "../util/text-table.ts";
import { UsageError } from "./errors.ts";
import { count, text } from "./flags.ts";
import { readContent } from "./input.ts";
import { prepareOutput, Progress, writeWhole } from "./output.ts";

interface PlanFlags {
  readonly "verify-hardware": string;
  readonly "draft-hardware": string;
  readonly "verify-model": string;
  readonly "draft-model": string;
  readonly "middle-model"?: string;
  readonly "middle-hardware": string;
  readonly "middle-acceptance": number;
  readonly times?: string;
  readonly acceptance: number;
  readonly record?: string;
  readonly context: number;
  readonly tokens: number;
  readonly runs: number;
  readonly "list-hardware": boolean;
  readonly trace?: string;
  readonly force: boolean;
  readonly json: boolean;
}

function parseShare(input: string): number {
  const value = Number(input);
  if (input.trim() === "" || !(value > 0 && value < 1)) throw new RangeError("a number between 0 and 1 is wanted");
  return value;
}

/** Flags of one kind, with their default. */
const hardwareFlag = (brief: string, name: string) =>
  ({ kind: "parsed", parse: String, brief, placeholder: "HARDWARE", default: name }) as const;
const modelFlag = (brief: string, name: string) =>
  ({ kind: "parsed", parse: String, brief, placeholder: "MODEL", default: name }) as const;
const shareFlag = (brief: string, value: string) =>
  ({ kind: "parsed", parse: parseShare, brief, placeholder: "A", default: value }) as const;
const countFlag = (brief: string, least: number, value: string) =>
  ({ kind: "parsed", parse: count(least), brief, placeholder: "N", default: value }) as const;

export const planCommand = buildCommand({
  docs: {
    brief: "Simulate the strategies on hardware that you don't have",
    fullDescription:
      "Runs the very strategies on simulated lanes and prints what a token would take, what bounds it, and the " +
      "setting to use. " +
      `Hardware that ships: ${SHIPPED_HARDWARE.join(", ")}. Models: ${SHAPE_NAMES.join(", ")}, each with :FORMAT.`,
  },
  parameters: {
    flags: {
      "verify-hardware": hardwareFlag(
        "Device of the verify model: a name of hardware that ships, or a JSON file",
        "rtx-4090",
      ),
      "draft-hardware": hardwareFlag("The same, for the draft model", "rtx-3090"),
      "verify-model": modelFlag("Shape and format, as llama-3.1-8b:q4_k, or a GGUF file", "llama-3.1-8b:q4_k"),
      "draft-model": modelFlag("The same, of the draft model", "llama-3.2-1b:q4_k"),
      "middle-model": text("A third model between the two: tells whether it pays", "MODEL"),
      "middle-hardware": hardwareFlag("Device of the middle model", "rtx-3090"),
      "middle-acceptance": shareFlag("The same, of the middle model's tokens", "0.9"),
      times: text(
        "Times of both lanes from what benchmark, generate or bench speed --json wrote, in place of hardware",
        "FILE",
      ),
      acceptance: shareFlag("Mean chance of a drafted token to be accepted", "0.8"),
      record: text("Take the chances from runs that benchmark or generate --output-file recorded", "FILE"),
      context: countFlag("Positions in the KV caches, for what a pass reads of them", 1, "512"),
      tokens: countFlag("Tokens of a simulated run", 20, "2000"),
      runs: countFlag("Runs of each setting", 1, "3"),
      "list-hardware": {
        kind: "boolean",
        brief: "Print the hardware that ships, with the sources of its figures, and end",
        default: false,
      },
      trace: text("Write a simulated run of amusd that opens in Perfetto to this file", "FILE"),
      force: { kind: "boolean", brief: "Replace that file", default: false },
      json: { kind: "boolean", brief: "Print the plan as JSON", default: false },
    },
  },
  func: async (flags: PlanFlags) => {
    if (flags["list-hardware"]) {
      console.log(JSON.stringify(SHIPPED_HARDWARE.map(shippedHardware), null, 2));
      return;
    }
    const { trace } = flags;
    if (trace !== undefined) await prepareOutput(trace, flags.force);
    const hardware = await hardwareOf(flags);
    const acceptance = await acceptanceOf(flags);
    // Draws of its own, or the two models would be sure of the same tokens.
    const middleAcceptance = hardware.middle && betaAcceptance(flags["middle-acceptance"], { seed: 2 });
    const progress = new Progress();
    const { tokens, runs } = flags;
    let made: Plan;
    try {
      made = await plan({
        hardware,
        acceptance,
        middleAcceptance,
        tokens,
        runs,
        onProgress: (done, total) => progress.show(`simulated ${done} of ${total} runs`),
      });
    } finally {
      progress.clear();
    }
    if (trace !== undefined) {
      const { events } = await simulateRun(HEDGED, hardware, acceptance, Math.min(tokens, TRACED_TOKENS), 1, true);
      await writeWhole(trace, JSON.stringify(chromeTrace(events)) + "\n");
    }
    console.log(flags.json ? JSON.stringify(made, null, 2) : planText(made));
  },
});

/** A trace of more tokens is slow to look at. */
const TRACED_TOKENS = 500;

async function hardwareOf(flags: PlanFlags): Promise<SimulatedHardware> {
  if (flags.times !== undefined) {
    if (flags["middle-model"] !== undefined) {
      throw new UsageError("Cannot plan a chain by --times, which has two lanes; give hardware files with passMs");
    }
    const where = `Cannot take times from "${flags.times}"`;
    const value = await readJson(flags.times, where);
    return benchTimes(value, where) ?? recordedTimes(tracesOf(upgraded(value), where), where);
  }
  const lane = async (name: "verify" | "middle" | "draft", modelName: string): Promise<LaneTimes> => {
    const spec = await hardwareSpec(flags[`${name}-hardware`]);
    const model = needsModel(spec) ? await modelOf(modelName) : undefined;
    const passes = passMs(spec, model, flags.context);
    const { latencyMs, stepsAhead } = spec;
    return { passMs: passes, prefillMs: prefillMs(spec, passes), latencyMs, stepsAhead };
  };
  const middle = flags["middle-model"];
  return {
    verify: await lane("verify", flags["verify-model"]),
    draft: await lane("draft", flags["draft-model"]),
    middle: middle === undefined ? undefined : await lane("middle", middle),
  };
}

async function hardwareSpec(name: string): Promise<HardwareSpec> {
  const shipped = shippedHardware(name);
  if (shipped) return shipped;
  if (!await isThere(name)) {
    throw new UsageError(
      `Cannot plan with hardware "${name}": there is no such file, and none of that name ships: ${
        SHIPPED_HARDWARE.join(", ")
      }`,
    );
  }
  const where = `Cannot plan with hardware "${name}"`;
  return parseHardware(await readJson(name, where), where);
}

async function modelOf(name: string): Promise<ModelWork> {
  const named = namedModel(name);
  if (named) return named;
  if (!await isThere(name)) {
    throw new UsageError(
      `Cannot plan with model "${name}": there is no such file, and it is none of ${
        SHAPE_NAMES.join(", ")
      } with a format such as :q4_k`,
    );
  }
  const { checkpoint, config } = await openModelFile(name);
  await checkpoint.close();
  const bytes = (names: readonly string[]) => sum(names.map((name) => checkpoint.tensors.get(name)?.bytes ?? 0));
  // A pass reads one row of the embedding, and all of it only where it is the output's matrix too.
  const unread = config.tied ? 0 : bytes(["token_embd.weight"]);
  return workOf(name, config, bytes([...checkpoint.tensors.keys()]) - unread);
}

async function acceptanceOf({ record, acceptance }: PlanFlags): Promise<Acceptance> {
  if (record === undefined) return betaAcceptance(acceptance);
  const where = `Cannot take chances from "${record}"`;
  return recordedAcceptance(tracesOf(upgraded(await readJson(record, where)), where), where);
}

async function readJson(file: string, where: string): Promise<unknown> {
  const content = await readContent(file, "read");
  try {
    return JSON.parse(content);
  } catch {
    throw new SyntaxError(`${where}: it is no JSON, or cut short; give another file`);
  }
}

async function isThere(file: string): Promise<boolean> {
  return await access(file).then(() => true, () => false);
}

function planText({ rows, use, acceptance, draftMs, verifyMs, linearBound, chainGain }: Plan): string {
  const share = (value: number | null) => value === null ? "-" : `${Math.round(100 * value)} %`;
  const digits = Math.min(...rows.map(({ msPerToken }) => msPerToken)) < 10 ? 2 : 1;
  const table = textTable([
    [
      "setting",
      "ms/token",
      "spread",
      "speed-up",
      "tokens/verification",
      "verify busy",
      "draft busy",
      "wasted drafts/token",
      "bound by",
    ],
    ...rows.map((row) => [
      row.setting,
      row.msPerToken.toFixed(digits),
      row.spread.map((ms) => ms.toFixed(digits)).join(".."),
      row.speedup.toFixed(2),
      row.tokensPerVerification.toFixed(2),
      share(row.verifyBusy),
      share(row.draftBusy),
      row.wastedPerToken.toFixed(2),
      row.boundBy,
    ]),
  ]);
  const sizes = [1, 2, 4, 8];
  const times = sizes.map((rows) => verifyMs[rows]!.toFixed(digits)).join(", ");
  return [
    table,
    "",
    `draft step ${draftMs.toFixed(digits)} ms, ${(draftMs / verifyMs[1]!).toFixed(2)} of a verification of 1 row; ` +
    `verification of ${sizes.join(", ")} rows ${times} ms`,
    `acceptance ${acceptance.toFixed(2)}; without branches nothing is more than ${
      linearBound.toFixed(2)
    } times as fast as greedy`,
    ...(chainGain === null ? [] : [
      `three models are ${chainGain.toFixed(2)} times as fast as the best two: the middle one ` +
      (chainGain > 1 ? "pays" : "does not pay"),
    ]),
    `use: --strategy ${use}`,
  ].join("\n");
}
