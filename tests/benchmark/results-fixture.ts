import {
  type BenchmarkRun,
  type DeviceSample,
  type MonitorSample,
  type Results,
  RESULTS_VERSION,
} from "../../src/benchmark/results.ts";
import { STRATEGIES, type StrategyName } from "../../src/engine/generation-run.ts";
import { summarize } from "../../src/spec/trace/summary.ts";
import type { TraceEvent } from "../../src/spec/trace/trace-events.ts";
import { agreeingModel, hash, hashModel, laneOptions, simulateText } from "../spec/simulated-run.ts";

/** Options of a simulated benchmark. */
export interface SimulatedBenchmark {
  readonly samples?: number;
  readonly turns?: number;
  readonly tokens?: number;
  readonly strategies?: readonly StrategyName[];
  /** The share of the texts after which the draft chooses as the verify model does. */
  readonly agreement?: number;
  /** The devices' figures at `ms` of a run. */
  readonly monitor?: (ms: number, strategy: StrategyName) => readonly DeviceSample[];
  readonly id?: (sample: number) => string;
  readonly prompt?: string;
  /** The text of each token. */
  readonly piece?: (token: number) => string;
}

const VOCABULARY = 64;
const WORDS =
  "def return stack self append pop ( ) : = [ ] if not None for in range len the a of and to is value item list"
    .split(" ");

/** A token's text, where a benchmark says nothing else: a word, or a newline. */
export function wordOf(token: number): string {
  return token % 9 === 8 ? "\n    " : ` ${WORDS[token % WORDS.length]}`;
}

/** Figures of two devices, of which the draft lane's doesn't tell its power. */
function bothDevices(ms: number, strategy: StrategyName): DeviceSample[] {
  const wave = Math.sin(ms / 90) / 20;
  const drafts = strategy !== "greedy";
  return [
    { name: "verify", utilization: 0.92 + wave, memoryBytes: 4.1e8 + ms * 2000, powerWatts: 61 + 40 * wave },
    { name: "draft", utilization: drafts ? 0.7 + 2 * wave : 0.02, memoryBytes: 1.3e8, powerWatts: null },
  ];
}

/** The results of a benchmark on two simulated lanes: equal ones for equal options. */
export async function simulateBenchmark(options: SimulatedBenchmark = {}): Promise<Results> {
  const { samples = 5, turns = 1, tokens = 48, strategies = ["greedy", "sd", "amusd"], agreement = 0.75 } = options;
  const runs: BenchmarkRun[] = [];
  let clockMs = 1000;
  for (let sample = 0; sample < samples; sample++) {
    for (let turn = 0; turn < turns; turn++) {
      for (const strategy of strategies) {
        const run = await simulateRun({ ...options, agreement, tokens }, sample, turn, strategy, clockMs);
        clockMs = run.events.reduce(
          (ms, event) => Math.max(ms, event.kind === "operation" ? event.endMs : event.ms),
          0,
        );
        clockMs += 50;
        runs.push(run);
      }
    }
  }
  return {
    format: "amusd results",
    version: RESULTS_VERSION,
    created: "2026-11-24T12:00:00.000Z",
    program: {
      version: "0.1.0",
      runtime: "Deno 2.9.6",
      platform: "linux-x64",
      os: "Linux 6.12.0",
      webgpu: "0.6.2",
      drivers: { verify: "simulated", draft: "simulated" },
    },
    configuration: {
      models: { verify: "verify.gguf", draft: "draft.gguf" },
      devices: { verify: "simulated", draft: "simulated" },
      variants: { verify: "rows-8", draft: "rows-8" },
      dataset: "simulated",
      strategies,
      samples: Array.from({ length: samples }, (_, i) => i),
      maxTokens: tokens,
      lookahead: 5,
      launch: "adaptive",
      hedge: true,
      drafter: "model",
      context: 1000,
      kvCache: "f16",
      draftVocabulary: null,
      threads: null,
      sampling: null,
      seed: 1,
    },
    runs,
  };
}

async function simulateRun(
  options: SimulatedBenchmark & { readonly agreement: number; readonly tokens: number },
  sample: number,
  turn: number,
  strategy: StrategyName,
  beginMs: number,
): Promise<BenchmarkRun> {
  const { piece = wordOf, monitor = bothDevices, id = (index) => `sample/${index}` } = options;
  const seed = 10 * sample + turn;
  const promptTokens = Array.from({ length: 30 + 8 * sample }, (_, i) => hash([i], seed) % VOCABULARY);
  const verify = hashModel(seed, VOCABULARY);
  let step = 0;
  const jitter = () => 0.9 + hash([step++, seed], 5) / 2 ** 32 / 5;
  const lanes = {
    verify: laneOptions("verify", verify, { jitter, decodeMs: 26, prefillMs: 3, verifyMs: (rows) => 26 + 1.2 * rows }),
    draft: laneOptions("draft", agreeingModel(verify, options.agreement, VOCABULARY), { jitter, decodeMs: 7 }),
  };
  const { log, trace } = await simulateText(STRATEGIES[strategy], promptTokens, lanes, options.tokens);
  const tokens = log.committed.slice(promptTokens.length);
  const events = trace.events.map((event) => later(event, beginMs));
  const { promptTokens: _, tokens: __, ...figures } = summarize(events);
  const pieces = tokens.map(piece);
  const durationMs = figures.lanes[0]!.busyMs + figures.lanes[0]!.idleMs;
  return {
    sample,
    id: id(sample),
    turn,
    prompt: options.prompt ?? `Write program ${sample}.`,
    identical: true,
    strategy,
    sampling: null,
    promptTokens,
    tokens,
    text: pieces.join(""),
    pieces,
    finishReason: "length",
    ...figures,
    events,
    monitor: Array.from({ length: Math.floor(durationMs / 100) }, (_, i): MonitorSample => ({
      ms: beginMs + 100 * i + 50,
      devices: monitor(100 * i + 50, strategy),
    })),
  };
}

function later(event: TraceEvent, ms: number): TraceEvent {
  return event.kind === "operation"
    ? { ...event, startMs: event.startMs + ms, endMs: event.endMs + ms }
    : { ...event, ms: event.ms + ms };
}
