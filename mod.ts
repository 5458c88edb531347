/**
 * Asynchronous multi-device speculative decoding (AMUSD, arXiv 2410.17375) for Llama models on WebGPU.
 *
 * ```ts
 * import { load } from "amusd";
 *
 * const amusd = await load({ verify: "llama-8b-q4_k_m.gguf", draft: "llama-1b-q8_0.gguf" });
 * for await (const { text } of amusd.generate("Why is the sky blue?")) console.log(text);
 * await amusd.close();
 * ```
 *
 * @module
 */
import { openModelPair } from "./src/engine/model-pair.ts";
import { Engine } from "./src/engine/engine.ts";

export { type AdapterInfo, type AdapterKind, listAdapters } from "./src/gpu/adapters.ts";
export type { ChatMessage } from "./src/tokenizer/chat-template.ts";
export { Chat, Engine, type EngineOptions } from "./src/engine/engine.ts";
export {
  type FinishReason,
  Generation,
  type GenerationOptions,
  type GenerationRecord,
  type Piece,
  type StrategyName,
} from "./src/engine/generation.ts";
export type { Sampling } from "./src/util/sampling.ts";
export type { SamplingOptions } from "./src/engine/sampling-options.ts";
export { LaneLostError } from "./src/spec/lanes/lane.ts";
export type { LaunchName } from "./src/spec/schedule/launch-rule.ts";
export { chromeTrace } from "./src/spec/trace/chrome-trace.ts";
export type { CommittedToken, Origin } from "./src/spec/token-log.ts";
export type { TraceEvent } from "./src/spec/trace/trace-events.ts";

/** Which models to load, and where; see EngineOptions for the rest. */
export interface LoadOptions {
  /** Path of the GGUF file of the model whose text you get. */
  readonly verify: string;
  /** Path of a small model with the same vocabulary; without it, `greedy` alone. */
  readonly draft?: string;
  /** Index or part of the name of an adapter. */
  readonly verifyDevice?: string;
  readonly draftDevice?: string;
  /** Positions for prompt and answer; default: what the verify model was trained for, at most 4096. */
  readonly context?: number;
  /** How keys and values are kept; default "f16". */
  readonly cache?: "f16" | "f32";
  /** The draft proposes only tokens with ids below; all by default. It drafts faster, and is accepted less. */
  readonly draftVocabulary?: number;
  /** Without a draft model: draft by looking up what followed in the text before; right where a text repeats itself, as edits of code do. */
  readonly ngramDrafts?: boolean;
  /** Hears how many of all weights' bytes lie on their devices. */
  readonly onProgress?: (done: number, total: number) => void;
}

const DEFAULT_CONTEXT = 4096;

/**
 * Loads a model, and one to draft for it, on their devices. Throws an Error or a RangeError of one line where a file, a
 * device or the fit is wrong; then nothing stays open.
 */
export async function load(options: LoadOptions): Promise<Engine> {
  const pair = await openModelPair(options.verify, options.draft);
  const trained = pair.verify.config.contextLength;
  const { context = Math.min(trained, DEFAULT_CONTEXT) } = options;
  return Engine.load(pair, { ...options, context });
}
