import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import type { Sampling } from "../util/sampling.ts";
import type { GenerationRecord, StrategyName } from "../engine/generation-run.ts";
import type { DrafterName } from "../engine/load.ts";
import type { LaunchName } from "../spec/schedule/launch-rule.ts";
import { isRecord } from "../util/is-record.ts";
import schema from "./results.schema.json" with { type: "json" };
import { upgraded } from "./upgrade.ts";

/** The version of the format that is written. Files of the one before are read too, those of others refused. */
export const RESULTS_VERSION = 3;

/** The results file that `benchmark` writes: how it ran, and every generation with its trace. */
export interface Results {
  readonly format: "amusd results";
  readonly version: typeof RESULTS_VERSION;
  /** When the benchmark was begun, in ISO 8601. */
  readonly created: string;
  readonly program: ResultsProgram;
  readonly configuration: ResultsConfiguration;
  /** In the order in which they ran; a sample's generations of all strategies stand together. */
  readonly runs: readonly BenchmarkRun[];
}

/** The program and the machine that ran a benchmark. */
export interface ResultsProgram {
  readonly version: string;
  /** "Deno 2.9.6" */
  readonly runtime: string;
  /** "linux-x64" */
  readonly platform: string;
  /** "Linux 6.12.0" */
  readonly os: string;
  /** Version of the npm package `webgpu`, which has Dawn. */
  readonly webgpu: string;
  /** The driver and its version, by lane. */
  readonly drivers: Readonly<Record<string, string>>;
}

export interface ResultsConfiguration {
  /** Paths by lane: "verify", "draft". */
  readonly models: Readonly<Record<string, string>>;
  readonly devices: Readonly<Record<string, string>>;
  /** Which variant of the products ran, by lane. */
  readonly variants: Readonly<Record<string, string>>;
  readonly dataset: string;
  readonly strategies: readonly StrategyName[];
  /** Indices into the dataset. */
  readonly samples: readonly number[];
  /** Rows before the last sample that gave none: without a prompt, or not to be had in the model's chat template. */
  readonly skipped?: number;
  /** Which turns of a conversation are answered; "all" where it is not there, as before December 2026. */
  readonly turns?: "all" | "last";
  /** Whether the prompts were given without the chat template. */
  readonly raw?: boolean;
  readonly maxTokens: number;
  readonly lookahead: number;
  readonly launch: LaunchName;
  readonly hedge: boolean;
  readonly drafter: DrafterName;
  readonly context: number;
  readonly kvCache: "f16" | "f32";
  readonly draftVocabulary: number | null;
  /** Threads that the software lanes have together; null where no lane computes on the CPU. */
  readonly threads: number | null;
  /** Null where the likeliest tokens are taken. */
  readonly sampling: Sampling | null;
  /** Seeds the order of strategies. */
  readonly seed: number;
}

/** Figures that a run's own costs give of greedy; results from before November 2026 have none. */
type Speedup = Partial<Pick<GenerationRecord, "greedyMsPerToken" | "speedup" | "expectedGain" | "achievedGain">>;

/** What all of an engine's records have in common. */
type OfTheEngine = "models" | "modelHash" | "devices" | "variants";

/** One generation. Times in its events, and the monitor's, are in ms on one clock. */
export interface BenchmarkRun
  extends Omit<GenerationRecord, OfTheEngine | "cachedTokens" | "logprobs" | keyof Speedup>, Speedup {
  /** Index into the dataset. */
  readonly sample: number;
  /** The sample's own id. */
  readonly id: string;
  /** The turn of the sample's conversation, from 0; always 0 where its last turn alone is answered. */
  readonly turn: number;
  /** The user's message in this turn. */
  readonly prompt: string;
  /** The text that each token brought; joined, they are `text`. */
  readonly pieces?: readonly string[];
  /** Whether the tokens equal those of the same turn's first strategy. */
  readonly identical: boolean;
  readonly monitor: readonly MonitorSample[];
}

/** Figures of the devices at one moment. */
export interface MonitorSample {
  readonly ms: number;
  readonly devices: readonly DeviceSample[];
}

/** Figures of one device at one moment. Null stands for a figure that the machine can't tell. */
export interface DeviceSample {
  /** The lanes on this device, as in "verify", or "verify, draft" where both share one. */
  readonly name: string;
  /** Busy share, 0 to 1, since the sample before. */
  readonly utilization: number | null;
  readonly memoryBytes: number | null;
  readonly powerWatts: number | null;
}

/** The end of the file, behind the last run. */
const TAIL = "\n]}\n";

/** The results as `benchmark` writes them: JSON with a run a line, so that a cut file loses one line and no more. */
export function resultsText({ runs, ...head }: Results): string {
  const lines = runs.map((run, i) => (i > 0 ? "," : "") + JSON.stringify(run));
  return `${JSON.stringify(head).slice(0, -1)},"runs":[\n${lines.join("\n")}${TAIL}`;
}

/** The text that adds a run to results that have some: it takes the place of the last `replaces` bytes. */
export function appendedText(run: BenchmarkRun): { readonly replaces: number; readonly text: string } {
  return { replaces: TAIL.length, text: `\n,${JSON.stringify(run)}${TAIL}` };
}

/** As parseResults, for a file whose writing may have been interrupted: a run that was cut short is left out. */
export function parseInterrupted(content: string, where: string): Results {
  const [head = "", ...lines] = content.split("\n");
  if (!head.endsWith('"runs":[')) return parseResults(content, where);
  const cut = lines.findIndex((line) => !isJson(line.replace(/^,/, "")));
  return parseResults([head, ...lines.slice(0, cut < 0 ? undefined : cut), "]}"].join("\n"), where);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

let validate: ValidateFunction | undefined;

/**
 * The results in a file's content; `where` begins the message of an error. Throws a SyntaxError where it is no JSON, a
 * TypeError where it is something else, a RangeError where it is of a version that can't be read.
 */
export function parseResults(content: string, where: string): Results {
  const results = currentResults(parseJson(content, where));
  if (!isRecord(results) || results.format !== "amusd results") {
    throw new TypeError(`${where}: it is not a benchmark's results; give a file that benchmark wrote`);
  }
  if (results.version !== RESULTS_VERSION) {
    throw new RangeError(
      `${where}: it has version ${results.version} of the format, wanted ${RESULTS_VERSION}; run benchmark anew`,
    );
  }
  validate ??= new Ajv2020({ allowUnionTypes: true }).compile(schema);
  if (!validate(results)) {
    const { instancePath, message } = validate.errors![0]!;
    throw new TypeError(`${where}: ${instancePath || "it"} ${message}; run benchmark anew`);
  }
  return results as unknown as Results;
}

function parseJson(content: string, where: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    throw new SyntaxError(
      `${where}: it is no JSON, or cut short; give a file that benchmark wrote, or end an interrupted one by --resume`,
    );
  }
}

/** Results of version 2 as today's; all else as it is. */
function currentResults(value: unknown): unknown {
  if (!isRecord(value) || value.version !== 2) return value;
  return upgraded({ ...value, version: RESULTS_VERSION });
}
