/**
 * Asynchronous multi-device speculative decoding (AMUSD, arXiv 2410.17375) for Llama models on WebGPU.
 *
 * ```ts
 * import { load } from "amusd";
 *
 * const engine = await load({ verify: "llama-8b-q4_k_m.gguf", draft: "llama-1b-q8_0.gguf" });
 * const { text } = await engine.generate("Why is the sky blue?");
 * console.log(text);
 * for await (const { text } of engine.generate("And at sunset?")) console.log(text);
 * await engine.close();
 * ```
 *
 * @module
 */
export { type DrafterName, type KvCache, load, type LoadOptions, type LoadProgress } from "./src/engine/load.ts";
export type { Engine } from "./src/engine/engine.ts";
export type { Certificate, Claim } from "./src/engine/certify.ts";
export type { EncodeChatOptions, TextCodec } from "./src/engine/text-codec.ts";
export type { Chat } from "./src/engine/chat.ts";
export type { Generation, GenerationResult } from "./src/engine/generation.ts";
export type {
  FinishReason,
  GenerationOptions,
  GenerationRecord,
  Piece,
  StrategyName,
  WrittenToken,
} from "./src/engine/generation-run.ts";
export type { SamplingOptions } from "./src/engine/sampling-options.ts";
export { type AdapterInfo, type AdapterKind, type AdapterSelector, listAdapters } from "./src/gpu/adapters.ts";
export type { AdapterRequest } from "./src/gpu/dawn.ts";
export type { ChatMessage, ChatOptions, ContentPart } from "./src/tokenizer/chat-template.ts";
export type { KernelProfile, ModelProfile, StepProfile } from "./src/llama/profile.ts";
export type { Peak } from "./src/kernels/peak/peak.ts";
export { LaneLostError } from "./src/spec/lanes/lane.ts";
export type { LaunchName } from "./src/spec/schedule/launch-rule.ts";
export type { CommittedToken, Origin } from "./src/spec/token-log.ts";
export { type ChromeEvent, chromeTrace } from "./src/spec/trace/chrome-trace.ts";
export type { Summary } from "./src/spec/trace/summary.ts";
export type {
  Commit,
  CostFigures,
  LaneCosts,
  Operation,
  Rollback,
  Start,
  TraceEvent,
} from "./src/spec/trace/trace-events.ts";
export type { Adjustments, LogprobsOf, RowLogprobs, Sampling, TokenLogprobs } from "./src/util/sampling.ts";
export { createHandler } from "./src/serve/handler.ts";
export type { HandlerOptions, WebRequest, WebResponse } from "./src/serve/options.ts";
export type { AccessOptions } from "./src/serve/access.ts";
export type { ServiceOptions } from "./src/serve/service.ts";
