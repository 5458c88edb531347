import type { ChatMessage } from "../tokenizer/chat-template.ts";
import type { Engine } from "../engine/engine.ts";
import type { TextCodec } from "../engine/text-codec.ts";
import type { GenerationOptions, StrategyName } from "../engine/generation-run.ts";
import type { DatasetSample } from "./datasets.ts";
import { randomOf } from "../util/random.ts";
import type { BenchmarkRun, MonitorSample } from "./results.ts";

type Encoder = Pick<TextCodec, "encode" | "encodeChat">;

/** The part of an engine that a benchmark uses. */
export interface BenchmarkEngine {
  readonly codec: Pick<TextCodec, "encode" | "encodeChat" | "pieces">;
  readonly generate: Engine["generate"];
}

/** A sample and where it stands in its dataset. */
export interface IndexedSample {
  readonly index: number;
  readonly sample: DatasetSample;
}

export interface BenchmarkOptions {
  readonly strategies: readonly StrategyName[];
  readonly maxTokens: number;
  readonly decoding: GenerationOptions;
  /** Seeds the order of the strategies. */
  readonly seed: number;
  /** Runs of an interrupted benchmark with the same configuration: they are not run again. */
  readonly done?: readonly BenchmarkRun[];
  readonly signal?: AbortSignal;
  /** Begins to look at the devices; the function that it returns ends that. By default nothing looks at them. */
  readonly watch?: () => () => Promise<readonly MonitorSample[]>;
}

/**
 * Runs each turn of each sample by all strategies and yields every run as it ends. The strategies run one after the
 * other in an order drawn for each turn, so that a drift of the machine hits all alike. Each generation feeds its whole
 * prompt, whatever the caches hold, and is timed from there. A later turn's prompt holds the first strategy's answers
 * to the turns before. Ends early, without the run in flight, when `signal` is aborted.
 */
export async function* runBenchmark(
  engine: BenchmarkEngine,
  samples: readonly IndexedSample[],
  options: BenchmarkOptions,
): AsyncGenerator<BenchmarkRun, void, undefined> {
  const { strategies, maxTokens, decoding, seed, done = [], signal, watch = () => async () => [] } = options;
  for (const { index, sample } of samples) {
    const messages: ChatMessage[] = [];
    for (const [turn, prompt] of sample.turns.entries()) {
      messages.push({ role: "user", content: prompt });
      const tokens = promptTokens(engine.codec, sample, messages);
      let first = done.find((run) => run.sample === index && run.turn === turn);
      for (const strategy of shuffled(strategies, randomOf(seed + 1000 * index + turn))) {
        if (done.some((run) => run.sample === index && run.turn === turn && run.strategy === strategy)) continue;
        const generation = engine.generate(tokens, { ...decoding, strategy, maxTokens, signal });
        const watched = watch();
        const { record: { models: _, devices: __, variants: ___, ...record } } = await generation;
        const monitor = await watched();
        if (signal?.aborted) return;
        const identical = !first || sameTokens(first.tokens, record.tokens);
        const pieces = engine.codec.pieces(record.tokens);
        const run = { ...record, sample: index, id: sample.id, turn, prompt, pieces, identical, monitor };
        first ??= run;
        yield run;
      }
      messages.push({ role: "assistant", content: first!.text });
    }
  }
}

/** Generates a few tokens by each strategy, so that no timed run pays for what is done once. */
export async function warmUp(
  engine: BenchmarkEngine,
  strategies: readonly StrategyName[],
  decoding: GenerationOptions,
): Promise<void> {
  const tokens = engine.codec.encode("Hello");
  for (const strategy of strategies) {
    await engine.generate(tokens, { ...decoding, strategy, maxTokens: 8 });
  }
}

/** The positions that the longest conversation takes if every answer is as long as it may be. */
export function contextOf(
  codec: Encoder,
  samples: readonly DatasetSample[],
  maxTokens: number,
): number {
  return Math.max(...samples.map((sample) => {
    const messages = sample.turns.map((content) => ({ role: "user", content }));
    return promptTokens(codec, sample, messages).length + sample.turns.length * (maxTokens + TURN_TOKENS);
  }));
}

/** Tokens that a chat template puts around an answer, at most. */
const TURN_TOKENS = 16;

function promptTokens(
  codec: Encoder,
  { task, turns }: DatasetSample,
  messages: readonly ChatMessage[],
): number[] {
  return task === "complete" ? codec.encode(turns[0]!, { raw: true }) : codec.encodeChat(messages);
}

function shuffled<T>(values: readonly T[], random: () => number): T[] {
  const order = [...values];
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

function sameTokens(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((token, i) => token === b[i]);
}
