import type { GenerationRecord, StrategyName } from "../spec/generation.ts";

/** The version of the format; files of another one are refused. */
export const RESULTS_VERSION = 1;

/** What `benchmark` writes: how it ran, and every generation with its trace. */
export interface Results {
  readonly format: "amusd results";
  readonly version: typeof RESULTS_VERSION;
  /** ISO 8601, when the benchmark was begun. */
  readonly created: string;
  readonly program: { readonly version: string; readonly runtime: string; readonly platform: string };
  readonly configuration: ResultsConfiguration;
  /** In the order in which they ran; a sample's generations of all strategies stand together. */
  readonly runs: readonly BenchmarkRun[];
}

export interface ResultsConfiguration {
  /** By lane: "verify", "draft". */
  readonly models: Readonly<Record<string, string>>;
  readonly devices: Readonly<Record<string, string>>;
  /** Variant of the kernels; results from before there was a choice have none. */
  readonly kernels?: Readonly<Record<string, string>>;
  readonly dataset: string;
  readonly strategies: readonly StrategyName[];
  /** Indices into the dataset. */
  readonly samples: readonly number[];
  readonly maxNewTokens: number;
  readonly lookahead: number;
  readonly context: number;
  readonly kvCache: "f16" | "f32";
  readonly draftVocabulary: number | null;
  /** Of the order of strategies. */
  readonly seed: number;
}

/** One generation. Times in its events, and the monitor's, are ms on one clock. */
export interface BenchmarkRun extends Omit<GenerationRecord, "models" | "devices" | "kernels"> {
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

/**
 * The results in a file's content; `where` begins the message of an error. Throws a SyntaxError where it is no JSON, a TypeError where it is
 * something else, a RangeError where it is of another version.
 */
export function parseResults(content: string, where: string): Results {
  let results: Partial<Results> | null;
  try {
    results = JSON.parse(content);
  } catch {
    throw new SyntaxError(`${where}: it is no JSON, or cut short; give a file that benchmark wrote`);
  }
  if (results?.format !== "amusd results") {
    throw new TypeError(`${where}: it is not a benchmark's results; give a file that benchmark wrote`);
  }
  if (results.version !== RESULTS_VERSION) {
    throw new RangeError(
      `${where}: it has version ${results.version} of the format, wanted ${RESULTS_VERSION}; run benchmark anew`,
    );
  }
  if (!Array.isArray(results.runs) || typeof results.configuration !== "object") {
    throw new TypeError(`${where}: it has no runs or no configuration; run benchmark anew`);
  }
  return results as Results;
}
