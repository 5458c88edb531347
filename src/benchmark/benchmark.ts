import type { Engine } from "../engine/engine.ts";
import type { TextCodec } from "../engine/text-codec.ts";
import type { GenerationOptions, GenerationRecord, StrategyName } from "../engine/generation-run.ts";
import { type DatasetSample, lastPrompt, plainText, type TextMessage, userTurns } from "./conversation.ts";
import type { IndexedSample } from "./datasets.ts";
import { randomOf } from "../util/random.ts";
import type { BenchmarkRun, MonitorSample } from "./results.ts";

type Encoder = Pick<TextCodec, "encode" | "encodeChat">;

/** The part of an engine that a benchmark uses. */
export interface BenchmarkEngine {
  readonly codec: Pick<TextCodec, "encode" | "encodeChat" | "pieces">;
  readonly generate: Engine["generate"];
}

/** What of a sample's conversation the models are given. */
export interface Protocol {
  /**
   * "all": each message of the user's is answered, behind the models' own answers to those before. "last": the
   * conversation is given as the dataset has it, up to its last answer, which the models give in its place.
   */
  readonly turns: "all" | "last";
  /** Whether the texts are given as they are, a blank line between two, without the chat template. */
  readonly raw: boolean;
}

export interface BenchmarkOptions extends Protocol {
  readonly strategies: readonly StrategyName[];
  readonly maxTokens: number;
  readonly decoding: GenerationOptions;
  /** Positions of the KV caches: a turn whose prompt does not fit ends its sample. */
  readonly context: number;
  /** Seeds the order of the strategies. */
  readonly seed: number;
  /** Runs of an interrupted benchmark with the same configuration: they are not run again. */
  readonly done?: readonly BenchmarkRun[];
  readonly signal?: AbortSignal;
  /** Begins to look at the devices; the function that it returns ends that. By default nothing looks at them. */
  readonly watch?: () => () => Promise<readonly MonitorSample[]>;
}

/**
 * Answers each turn of each sample, as the protocol says, by all strategies and yields every run as it ends. The
 * strategies run one after the other in an order drawn for each turn, so that a drift of the machine hits all alike.
 * Each generation feeds its whole prompt, whatever the caches hold, and is timed from there. A later turn's prompt
 * holds the first strategy's answers to the turns before. Ends early, without the run in flight, when `signal` is
 * aborted.
 */
export async function* runBenchmark(
  engine: BenchmarkEngine,
  samples: readonly IndexedSample[],
  options: BenchmarkOptions,
): AsyncGenerator<BenchmarkRun, void, undefined> {
  const { strategies, maxTokens, decoding, context, seed, done = [], signal, watch = () => async () => [] } = options;
  for (const { index, sample } of samples) {
    const messages: TextMessage[] = [];
    for (const [turn, asked] of turnsOf(sample, options).entries()) {
      messages.push(...asked);
      const prompt = messages.findLast(({ role }) => role === "user")!.content ?? "";
      const tokens = promptTokens(engine.codec, sample, messages, options);
      if (tokens.length >= context) break;
      let first = done.find((run) => run.sample === index && run.turn === turn);
      for (const strategy of shuffled(strategies, randomOf(seed + 1000 * index + turn))) {
        if (done.some((run) => run.sample === index && run.turn === turn && run.strategy === strategy)) continue;
        const generation = engine.generate(tokens, { ...decoding, strategy, maxTokens, signal });
        const watched = watch();
        const record = runRecord((await generation).record);
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
  const tokens = engine.codec.encode("Hello", { raw: true });
  for (const strategy of strategies) {
    await engine.generate(tokens, { ...decoding, strategy, maxTokens: 8 });
  }
}

/** What a codec makes of a sample. */
export interface SampleSize {
  /** Tokens of the first prompt. */
  readonly promptTokens: number;
  /** Positions that the conversation takes if every answer is as long as it may be. */
  readonly positions: number;
}

/**
 * The size of a sample with answers of at most `maxTokens` tokens. Throws an Error where the chat template refuses it.
 */
export function sampleSize(codec: Encoder, sample: DatasetSample, maxTokens: number, protocol: Protocol): SampleSize {
  const turns = turnsOf(sample, protocol);
  // Some templates want answers between questions.
  const messages = turns.flatMap((asked, i) => i === 0 ? asked : [{ role: "assistant", content: "" }, ...asked]);
  return {
    promptTokens: promptTokens(codec, sample, turns[0]!, protocol).length,
    positions: promptTokens(codec, sample, messages, protocol).length + turns.length * (maxTokens + TURN_TOKENS),
  };
}

/** Tokens that a chat template puts around an answer, at most. */
const TURN_TOKENS = 16;

/** How many answers a benchmark asks of a sample, unless its context ends before. */
export function answersOf(sample: DatasetSample, protocol: Protocol): number {
  return turnsOf(sample, protocol).length;
}

/** The messages that are put before the model for each answer, behind what was said before. */
function turnsOf(sample: DatasetSample, { turns }: Protocol): (readonly TextMessage[])[] {
  return turns === "last" ? [lastPrompt(sample)] : userTurns(sample).map((message) => [message]);
}

function promptTokens(
  codec: Encoder,
  { task }: DatasetSample,
  messages: readonly TextMessage[],
  { raw }: Protocol,
): number[] {
  if (task === "answer" && !raw) return codec.encodeChat(messages);
  return codec.encode(plainText(messages), { raw: true });
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

/** A record without what all records of an engine have in common, and without what a benchmark doesn't ask for. */
function runRecord(
  { models: _, modelHash: __, devices: ___, variants: ____, cachedTokens: _____, logprobs: ______, ...record }:
    GenerationRecord,
) {
  return record;
}
