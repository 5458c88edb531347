import { buildCommand } from "@stricli/core";
import { access } from "node:fs/promises";
import { upgraded } from "../benchmark/upgrade.ts";
import { openModelFile } from "../engine/model-pair.ts";
import {
  type HardwareProfile,
  type ModelWork,
  needsModel,
  parseProfile,
  passMs,
  prefillMs,
  SHIPPED_PROFILES,
  shippedProfile,
} from "../plan/lane-profile.ts";
import { namedModel, SHAPE_NAMES, workOf } from "../plan/model-work.ts";
import { type Plan, plan } from "../plan/plan.ts";
import { benchTimes, recordedTimes, tracesOf } from "../plan/recorded.ts";
import { HEDGED, type LaneTimes, type SimulatedHardware, simulateRun } from "../plan/simulate.ts";
import { type Acceptance, betaAcceptance, recordedAcceptance } from "../plan/simulated-pair.ts";
import { chromeTrace } from "../spec/trace/chrome-trace.ts";
import { UsageError } from "./errors.ts";
import { count, text } from "./flags.ts";
import { assertNew, assertWritable, columnsText, Progress, writeWhole } from "./output.ts";
import { readContent } from "./stats.ts";

interface PlanFlags {
  readonly "verify-profile": string;
  readonly "draft-profile": string;
  readonly "verify-model": string;
  readonly "draft-model": string;
  readonly times?: string;
  readonly acceptance: number;
  readonly record?: string;
  readonly context: number;
  readonly tokens: number;
  readonly runs: number;
  readonly profiles: boolean;
  readonly trace?: string;
  readonly force: boolean;
  readonly json: boolean;
}

function parseShare(input: string): number {
  const value = Number(input);
  if (input.trim() === "" || !(value > 0 && value < 1)) throw new RangeError("a number between 0 and 1 is wanted");
  return value;
}

const profileFlag = (brief: string, name: string) =>
  ({ kind: "parsed", parse: String, brief, placeholder: "PROFILE", default: name }) as const;
const modelFlag = (brief: string, name: string) =>
  ({ kind: "parsed", parse: String, brief, placeholder: "MODEL", default: name }) as const;
const countFlag = (brief: string, least: number, value: string) =>
  ({ kind: "parsed", parse: count(least), brief, placeholder: "N", default: value }) as const;

export const planCommand = buildCommand({
  docs: {
    brief: "Simulate the strategies on hardware that you don't have",
    fullDescription:
      "Runs the very strategies on simulated lanes and prints what a token would take, what bounds it, and the setting to use. " +
      `Profiles that ship: ${SHIPPED_PROFILES.join(", ")}. Models: ${SHAPE_NAMES.join(", ")}, each with :FORMAT.`,
  },
  parameters: {
    flags: {
      "verify-profile": profileFlag("Device of the verify model: a shipped profile's name, or a JSON file", "rtx-4090"),
      "draft-profile": profileFlag("The same, for the draft model", "rtx-3090"),
      "verify-model": modelFlag("Shape and format, as llama-3.1-8b:q4_k, or a GGUF file", "llama-3.1-8b:q4_k"),
      "draft-model": modelFlag("The same, of the draft model", "llama-3.2-1b:q4_k"),
      times: text(
        "Times of both lanes from what benchmark, generate or bench speed --json wrote, in place of profiles",
        "FILE",
      ),
      acceptance: {
        kind: "parsed",
        parse: parseShare,
        brief: "Mean chance of a drafted token to be accepted",
        placeholder: "A",
        default: "0.8",
      },
      record: text("Take the chances from runs that benchmark or generate --output-file recorded", "FILE"),
      context: countFlag("Positions in the caches, for what a pass reads of them", 1, "512"),
      tokens: countFlag("Tokens of a simulated run", 20, "2000"),
      runs: countFlag("Runs of each setting", 1, "3"),
      profiles: { kind: "boolean", brief: "Print the profiles that ship, with their sources, and end", default: false },
      trace: text("Write a simulated run of amusd that opens in Perfetto to this file", "FILE"),
      force: { kind: "boolean", brief: "Replace that file", default: false },
      json: { kind: "boolean", brief: "Print the plan as JSON", default: false },
    },
  },
  func: async (flags: PlanFlags) => {
    if (flags.profiles) {
      console.log(JSON.stringify(SHIPPED_PROFILES.map(shippedProfile), null, 2));
      return;
    }
    const { trace } = flags;
    if (trace !== undefined) {
      await assertWritable(trace);
      if (!flags.force) await assertNew(trace);
    }
    const hardware = await hardwareOf(flags);
    const acceptance = await acceptanceOf(flags);
    const progress = new Progress();
    const { tokens, runs } = flags;
    let made: Plan;
    try {
      made = await plan({
        hardware,
        acceptance,
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

/** A trace of more is slow to look at. */
const TRACED_TOKENS = 500;

async function hardwareOf(flags: PlanFlags): Promise<SimulatedHardware> {
  if (flags.times !== undefined) {
    const where = `Cannot take times from "${flags.times}"`;
    const value = await readJson(flags.times, where);
    return benchTimes(value, where) ?? recordedTimes(tracesOf(upgraded(value), where), where);
  }
  const lane = async (name: "verify" | "draft"): Promise<LaneTimes> => {
    const profile = await profileOf(flags[`${name}-profile`]);
    const model = needsModel(profile) ? await modelOf(flags[`${name}-model`]) : undefined;
    const passes = passMs(profile, model, flags.context);
    const { latencyMs, stepsAhead } = profile;
    return { passMs: passes, prefillMs: prefillMs(profile, passes), latencyMs, stepsAhead };
  };
  return { verify: await lane("verify"), draft: await lane("draft") };
}

async function profileOf(name: string): Promise<HardwareProfile> {
  const shipped = shippedProfile(name);
  if (shipped) return shipped;
  if (!await isThere(name)) {
    throw new UsageError(
      `Cannot plan with profile "${name}": there is no such file, and none of that name ships: ${
        SHIPPED_PROFILES.join(", ")
      }`,
    );
  }
  const where = `Cannot plan with profile "${name}"`;
  return parseProfile(await readJson(name, where), where);
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
  const bytes = (names: readonly string[]) =>
    names.reduce((sum, key) => sum + (checkpoint.tensors.get(key)?.bytes ?? 0), 0);
  // Of an embedding that isn't the output too, a pass reads a row.
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

function planText({ rows, use, acceptance, draftMs, verifyMs, linearBound }: Plan): string {
  const share = (value: number | null) => value === null ? "-" : `${Math.round(100 * value)} %`;
  const digits = Math.min(...rows.map(({ msPerToken }) => msPerToken)) < 10 ? 2 : 1;
  const table = columnsText([
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
  const c = draftMs / verifyMs[1]!;
  const costs = [1, 2, 4, 8].map((rows) => `tv(${rows}) ${verifyMs[rows]!.toFixed(digits)}`).join(", ");
  return [
    table,
    "",
    `td ${draftMs.toFixed(digits)} ms, ${costs} ms; c ${c.toFixed(2)}, acceptance ${acceptance.toFixed(2)}; ` +
    `without branches nothing passes ${linearBound.toFixed(2)}`,
    `use: --strategy ${use}`,
  ].join("\n");
}
