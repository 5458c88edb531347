// An engine without a device: real tokens and templates, and simulated lanes whose model chooses by a hash of the text.

import { llamaConfig } from "../../src/checkpoint/config.ts";
import { openGguf } from "../../src/checkpoint/gguf.ts";
import { Engine } from "../../src/engine/engine.ts";
import { TextCodec } from "../../src/engine/text-codec.ts";
import { blobSource } from "../../src/platform/byte-source.ts";
import { type Clock, RealClock } from "../../src/spec/clock.ts";
import type { Lane } from "../../src/spec/lanes/lane.ts";
import { SimulatedLane, type SimulatedLaneOptions } from "../../src/spec/lanes/simulated-lane.ts";
import { Estimates } from "../../src/spec/schedule/estimates.ts";
import { loadTokenizer } from "../../src/tokenizer/tokenizer.ts";
import type { MetadataEntry } from "../checkpoint/gguf-builder.ts";
import { randomModel } from "../random-models.ts";

export const CONTEXT = 200;

/** A letter that depends on the last three tokens of the text. */
function nextLetter(text: readonly number[]): number {
  const hash = text.slice(-3).reduce((sum, token) => (Math.imul(sum, 31) + token) >>> 0, 7);
  return 65 + hash % 26;
}

export interface SimulatedEngineOptions {
  /** The chat template; by default the random models' own. */
  readonly template?: string;
  readonly next?: (text: readonly number[]) => number;
  readonly verify?: Partial<SimulatedLaneOptions>;
  readonly draft?: Partial<SimulatedLaneOptions>;
  readonly slots?: number;
  /** By default the machine's own. */
  readonly clock?: Clock;
  /** Stands between the engine and a lane. */
  readonly wrap?: (lane: Lane) => Lane;
}

/** An engine whose draft agrees with its verify model but for every fifth token. */
export async function simulatedEngine(
  {
    template,
    next = nextLetter,
    verify = {},
    draft = {},
    slots,
    clock = new RealClock(),
    wrap = (lane) => lane,
  }: SimulatedEngineOptions = {},
): Promise<Engine> {
  const metadata: MetadataEntry[] = template === undefined ? [] : [["tokenizer.chat_template", "string", template]];
  const checkpoint = await openGguf(blobSource(new Blob([randomModel({ metadata })]), "random.gguf"));
  const file = {
    path: "/somewhere/random.gguf",
    checkpoint,
    config: await llamaConfig(checkpoint),
    tokenizer: loadTokenizer(checkpoint.metadata),
  };
  const common = {
    capacity: CONTEXT,
    stepsAhead: 1,
    prefillMs: 0,
    decodeMs: 0.2,
    verifyMs: (rows: number) => 0.5 + 0.1 * rows,
    next,
  };
  const lanes: Lane[] = [
    new SimulatedLane(clock, { name: "verify", ...common, ...verify }),
    new SimulatedLane(clock, {
      name: "draft",
      ...common,
      next: (text) => text.length % 5 === 0 ? 97 : next(text),
      ...draft,
    }),
  ].map(wrap);
  return new Engine({
    pair: { verify: file, draft: { ...file, path: "/somewhere/draft.gguf", lacking: new Set() }, middle: null },
    codec: new TextCodec(file.tokenizer, checkpoint.metadata, CONTEXT),
    lanes,
    loaded: [],
    estimates: new Estimates(),
    context: CONTEXT,
    slots,
    draftVocabulary: null,
    modelHash: "00",
  });
}

/** What the model writes after a prompt, by itself. */
export async function textAfter(engine: Engine, prompt: readonly number[], maxTokens: number): Promise<string> {
  return await engine.generate(prompt, { maxTokens, strategy: "greedy" }).text;
}
