import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import type { Sampling } from "../util/sampling.ts";
import type { GenerationRecord, StrategyName } from "../engine/generation-run.ts";
import type { LaunchName } from "../spec/schedule/launch-rule.ts";
import { isRecord } from "../util/is-record.ts";
import schema from "./results.schema.json" with { type: "json" };
import { upgraded } from "./upgrade.ts";

/** The version of the format that is written. Files of the one before are read too, those of others refused. */
export const RESULTS_VERSION = 3;

/** What `benchmark` writes: how it ran, and every generation with its trace. */
export interface Results {
  readonly format: "amusd results";
  readonly version: typeof RESULTS_VERSION;
  /** ISO 8601, when the benchmark was begun. */
  readonly created: string;
  readonly program: ResultsProgram;
  readonly configuration: ResultsConfiguration;
  /** In the order in which they ran; a sample's generations of all strategies stand together. */
  readonly runs: readonly BenchmarkRun[];
}

/** What ran it. */
export interface ResultsProgram {
  readonly version: string;
  /** "Deno 2.9.6" */
  readonly runtime: string;
  /** "linux-x64" */
  readonly platform: string;
  /** "Linux 6.12.0" */
  readonly os: string;
  /** Of the npm package with Dawn. */
  readonly webgpu: string;
  /** By lane: the driver and its version. */
  readonly drivers: Readonly<Record<string, string>>;
}

export interface ResultsConfiguration {
  /** By lane: "verify", "draft". */
  readonly models: Readonly<Record<string, string>>;
  readonly devices: Readonly<Record<string, string>>;
  /** Which variant of the products ran. */
  readonly variants: Readonly<Record<string, string>>;
  readonly dataset: string;
  readonly strategies: readonly StrategyName[];
  /** Indices into the dataset. */
  readonly samples: readonly number[];
  readonly maxTokens: number;
  readonly lookahead: number;
  readonly launch: LaunchName;
  readonly hedge: boolean;
  readonly drafter: "model" | "ngram" | "none";
  readonly context: number;
  readonly kvCache: "f16" | "f32";
  readonly draftVocabulary: number | null;
  /** That the software lanes have together; null where there is none. */
  readonly threads: number | null;
  /** null: the likeliest tokens. */
  readonly sampling: Sampling | null;
  /** Of the order of strategies. */
  readonly seed: number;
}

/** What a run's own costs say of greedy; results from before they were reckoned have none. */
type Speedup = Partial<Pick<GenerationRecord, "greedyMsPerToken" | "speedup">>;

/** One generation. Times in its events, and the monitor's, are ms on one clock. */
export interface BenchmarkRun
  extends Omit<GenerationRecord, "models" | "devices" | "variants" | keyof Speedup>, Speedup {
  /** Index into the dataset, the sample's own id, and the turn of its conversation, from 0. */
  readonly sample: number;
  readonly id: string;
  readonly turn: number;
  /** What the user said in this turn. */
  readonly prompt: string;
  /** The text that each token brought; joined, they are `text`. */
  readonly pieces?: readonly string[];
  /** Whether the tokens equal those of the same turn's first strategy. */
  readonly identical: boolean;
  readonly monitor: readonly MonitorSample[];
}

/** What the devices were seen to do at one moment. What a machine can't tell is null. */
export interface MonitorSample {
  readonly ms: number;
  readonly devices: readonly DeviceSample[];
}

export interface DeviceSample {
  /** The lanes on this device, as in "verify", or "verify, draft" where both share one. */
  readonly name: string;
  /** Busy share, 0 to 1, since the sample before. */
  readonly utilization: number | null;
  readonly memoryBytes: number | null;
  readonly powerWatts: number | null;
}

/** What stands behind the last run. */
const TAIL = "\n]}\n";

/** The results as `benchmark` writes them: JSON with a run a line, so that a cut file loses no more than the line that is cut. */
export function resultsText({ runs, ...head }: Results): string {
  const lines = runs.map((run, i) => (i > 0 ? "," : "") + JSON.stringify(run));
  return `${JSON.stringify(head).slice(0, -1)},"runs":[\n${lines.join("\n")}${TAIL}`;
}

/** What makes one more run of the text of results that have some: bytes to put in the place of its last `replaces`. */
export function appendedText(run: BenchmarkRun): { readonly replaces: number; readonly text: string } {
  return { replaces: TAIL.length, text: `\n,${JSON.stringify(run)}${TAIL}` };
}

/** As parseResults, of a file whose writing may have been interrupted: without the run that was cut short. */
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
