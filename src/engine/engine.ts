import type { AdapterInfo } from "../gpu/adapters.ts";
import type { Device } from "../gpu/device.ts";
import { collectAtRest } from "../gpu/garbage.ts";
import type { Llama } from "../llama/llama.ts";
import { type ModelProfile, profileLlama } from "../llama/profile.ts";
import { RealClock } from "../spec/clock.ts";
import { type Lane, MAX_ROWS } from "../spec/lanes/lane.ts";
import { NgramLane } from "../spec/lanes/ngram-lane.ts";
import { AdaptiveLaunch } from "../spec/schedule/adaptive-launch.ts";
import { Estimates } from "../spec/schedule/estimates.ts";
import type { RememberedGain } from "../spec/schedule/draft-backoff.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import type { TokenLogprobs } from "../util/sampling.ts";
import { CachedTexts } from "./cached-texts.ts";
import { type Certificate, certify, type Claim } from "./certify.ts";
import { Chat, type Turn } from "./chat.ts";
import { Generation } from "./generation.ts";
import { assertPromptFits, type GenerationOptions, GenerationRun } from "./generation-run.ts";
import type { ModelPair } from "./model-pair.ts";
import { score } from "./score.ts";
import type { TextCodec } from "./text-codec.ts";

/** A model on its device. */
export interface LoadedModel {
  readonly device: Device;
  readonly llama: Llama;
}

/** What `load` puts together. */
export interface EngineParts {
  readonly pair: ModelPair;
  readonly codec: TextCodec;
  /** The verify lane, then the draft lane, if any; that may be a chain's. */
  readonly lanes: readonly Lane[];
  /** The models of these lanes; look-up of n-grams has none. */
  readonly loaded: readonly LoadedModel[];
  readonly estimates: Estimates;
  /** Positions of the KV caches. */
  readonly context: number;
  /** Texts whose keys and values are kept; default 1. */
  readonly slots?: number;
  /** Whether what followed in the text before is taken for drafts too; default: no. */
  readonly lookUp?: boolean;
  readonly draftVocabulary: number | null;
  /** The verify model's; see the function of that name. */
  readonly modelHash: string;
  /** What drafting brought on such lanes in earlier processes. */
  readonly remembered?: RememberedGain;
  /** Takes what it brought in this one, as the engine is closed. */
  readonly remember?: (gain: RememberedGain) => Promise<void>;
}

/** Stands for the draft lane's model and device where it has none. */
const NGRAM_LOOK_UP = "n-gram look-up";

/** A verify and a draft model on their devices, ready to generate: one text at a time. `load` gives one. */
export class Engine {
  /** Positions of the KV caches: prompt and answer must fit. */
  readonly context: number;
  /** Texts whose keys and values are kept, for prompts that begin as they do. */
  readonly slots: number;
  /** The draft model proposes only tokens with ids below this; null: all. */
  readonly draftVocabulary: number | null;
  /** By lane ("verify", "middle", "draft"): the model's file. */
  readonly models: Readonly<Record<string, string>>;
  /** By lane: the device's name. */
  readonly devices: Readonly<Record<string, string>>;
  /** By lane: the adapter that its device was opened on; look-up of n-grams has none. */
  readonly adapters: Readonly<Record<string, AdapterInfo>>;
  /** By lane: the variant of the kernels that runs there. */
  readonly variants: Readonly<Record<string, string>>;
  /** A name for the verify model's weights, which records have too. */
  readonly modelHash: string;
  /** Text to tokens and back, as the verify model has it. */
  readonly codec: TextCodec;
  readonly #tokenizer: Tokenizer;
  readonly #loaded: readonly LoadedModel[];
  readonly #verify: Lane;
  readonly #draft: Lane | undefined;
  readonly #lookUp: boolean;
  /** Kept from one run to the next, as the launch rule is, for what they have learnt of whether drafting pays. */
  readonly #estimates: Estimates;
  readonly #launchRule: AdaptiveLaunch;
  readonly #remember: EngineParts["remember"];
  /** The same, for look-up in a prediction. */
  readonly #lookUpEstimates = new Estimates();
  readonly #lookUpLaunchRule = new AdaptiveLaunch(this.#lookUpEstimates, new RealClock());
  readonly #texts: CachedTexts;
  #running = false;
  #draftLost = false;
  #closed = false;

  /** @internal */
  constructor(parts: EngineParts) {
    const { pair, codec, lanes, loaded, estimates, context, slots = 1, draftVocabulary, modelHash } = parts;
    const { verify, middle, draft } = pair;
    const byLane = (values: readonly (readonly [lane: string, value: string])[]) => ({
      ...Object.fromEntries(lanes.map(({ name }) => [name, NGRAM_LOOK_UP])),
      ...Object.fromEntries(values),
    });
    this.models = byLane(
      Object.entries({ verify, middle, draft }).flatMap(([lane, file]) => file ? [[lane, file.path] as const] : []),
    );
    this.devices = byLane(loaded.map(({ device }) => [device.label, device.adapter.name]));
    this.adapters = Object.fromEntries(loaded.map(({ device }) => [device.label, device.adapter]));
    this.variants = Object.fromEntries(loaded.map(({ llama, device }) => [device.label, llama.context.variant.name]));
    this.context = context;
    this.draftVocabulary = draftVocabulary;
    this.codec = codec;
    this.modelHash = modelHash;
    this.#tokenizer = pair.verify.tokenizer;
    this.#loaded = loaded;
    this.#estimates = estimates;
    this.#launchRule = new AdaptiveLaunch(estimates, new RealClock(), { remembered: parts.remembered });
    this.#remember = parts.remember;
    [this.#verify, this.#draft] = [lanes[0]!, lanes[1]];
    this.#lookUp = parts.lookUp ?? false;
    this.#texts = new CachedTexts(this.#verify, this.#draft, slots);
    this.slots = slots;
  }

  /** Whether there is something to draft with, and on a device that is still there. */
  get drafts(): boolean {
    return this.#draft !== undefined && !this.#draftLost;
  }

  /**
   * Generates after a prompt: a text, or its tokens. Nothing runs before the generation is awaited or iterated over,
   * and one runs at a time: another one that begins meanwhile fails with an Error. Throws a RangeError or a TypeError
   * for a prompt that doesn't fit, or an option out of range.
   */
  generate(prompt: string | readonly number[], options: GenerationOptions = {}): Generation {
    const tokens = typeof prompt === "string" ? this.codec.encode(prompt, options) : prompt;
    return this.#generate(tokens, options);
  }

  /** How many tokens of each text are kept, the newest text last: at most `slots`. */
  get cachedLengths(): readonly number[] {
    return this.#texts.lengths;
  }

  /** Begins a conversation. */
  chat(options: { readonly system?: string } = {}): Chat {
    const { system } = options;
    // The prompt of a later turn must begin as those before did, also after midnight.
    const date = new Date();
    return new Chat(system === undefined ? [] : [{ role: "system", content: system }], (messages, options, turn) => {
      const tokens = this.codec.encodeChat(messages, date);
      return this.#generate(tokens, options, turn);
    });
  }

  /** A chat's turn, and what asks for it, is not fed again what the caches hold of its prompt as its run begins. */
  #generate(prompt: readonly number[], options: GenerationOptions, turn?: Turn): Generation {
    const isPredicted = options.prediction !== undefined;
    const draft = isPredicted ? this.#lookUpIn(options.prediction!) : this.drafts ? this.#draft : undefined;
    const run = new GenerationRun({
      tokenizer: this.#tokenizer,
      prompt,
      verify: this.#verify,
      draft,
      lookUp: this.#lookUp && !isPredicted,
      estimates: isPredicted ? this.#lookUpEstimates : this.#estimates,
      adaptive: isPredicted ? this.#lookUpLaunchRule : this.#launchRule,
      models: isPredicted ? { ...this.models, draft: NGRAM_LOOK_UP } : this.models,
      devices: isPredicted ? { ...this.devices, draft: NGRAM_LOOK_UP } : this.devices,
      variants: this.variants,
      modelHash: this.modelHash,
    }, this.#draftLost && !isPredicted ? { ...options, strategy: "greedy" } : options);
    return new Generation(run, {
      begin: async () => {
        if (this.#closed) throw new Error("Cannot generate: the engine is closed; load one anew");
        if (this.#running) throw new Error("Cannot generate: another generation is running; wait for its end");
        turn?.begin();
        this.#running = true;
        const held = turn || options.reuseCache ? await this.#texts.begin(prompt) : this.#texts.forget();
        return isPredicted ? { ...held, draft: 0 } : held;
      },
      end: (run, failed) => {
        this.#running = false;
        // Runs whose times compare begin without the garbage of the one before. For others the end of an answer, and
        // whoever has the next turn, don't wait for it.
        if (turn || options.reuseCache) setTimeout(() => this.#running || collectAtRest());
        else collectAtRest();
        this.#draftLost ||= run.draftLost;
        const text = [...prompt, ...run.tokens];
        const held = (lane: Lane | undefined) => lane ? run.cachedLength(lane.name, text) : 0;
        this.#texts.end(text, { verify: held(this.#verify), draft: isPredicted ? 0 : held(draft) });
        turn?.end(run, failed);
      },
    });
  }

  /** A lane that drafts what followed in the prediction, or in the text before. */
  #lookUpIn(prediction: string): Lane {
    return new NgramLane("draft", this.context, new RealClock(), this.codec.encode(prediction, { raw: true }));
  }

  /**
   * Measures, lane by lane and kernel by kernel, passes at `position` (lower where the context ends): of each number
   * of `rows` (1 to 16) on the verify lane, of one row on the draft lane. The caches' content is lost. Throws an Error
   * while a generation runs, a RangeError for rows that no pass takes.
   */
  async profile(position: number, rows: readonly number[]): Promise<Record<string, ModelProfile>> {
    const [most, limit] = [Math.max(...rows), Math.min(MAX_ROWS, this.context)];
    if (!rows.every((count) => Number.isInteger(count) && count >= 1 && count <= limit)) {
      throw new RangeError(`Cannot profile passes of ${rows.join(", ")} rows: 1 to ${limit} are possible`);
    }
    if (this.#running) throw new Error("Cannot profile: a generation is running; wait for its end");
    this.#running = true;
    try {
      await this.#texts.leave();
      const profiles: Record<string, ModelProfile> = {};
      await Promise.all([this.#verify.drain(), this.#draft?.drain()]);
      for (const { device, llama } of this.#loaded) {
        if (device.label === "draft" && this.#draftLost) continue;
        const at = Math.min(position, this.context - most);
        profiles[device.label] = await profileLlama(llama, at, device.label === "draft" ? [1] : rows);
      }
      return profiles;
    } finally {
      this.#running = false;
    }
  }

  /**
   * The log-probabilities of a text's tokens by the verify model, from the second token on, each with the `top`
   * likeliest tokens in its place (0 to 20); see `score`. Throws an Error while a generation runs, a RangeError where
   * the text doesn't fit the context.
   */
  async score(tokens: readonly number[], top: number): Promise<TokenLogprobs[]> {
    if (tokens.length > this.context) {
      throw new RangeError(`Cannot score ${tokens.length} tokens: the context has ${this.context} positions`);
    }
    return await this.#alone("score", () => score(this.#verify, tokens, top));
  }

  /**
   * Whether the verify model alone writes an answer as it is claimed; see `certify`. Throws an Error while a generation
   * runs, or where another model is said to have written it, a RangeError where it doesn't fit the context.
   */
  async certify(claim: Claim): Promise<Certificate> {
    if (claim.modelHash !== this.modelHash) {
      throw new Error("Cannot certify: another model wrote this, by its hash; load that one");
    }
    assertPromptFits(claim.promptTokens.length, this.context);
    const length = claim.promptTokens.length + claim.tokens.length;
    const { vocabulary } = this.#tokenizer;
    const stray = [...claim.promptTokens, ...claim.tokens].find((token) => !(token >= 0 && token < vocabulary));
    if (length > this.context || stray !== undefined) {
      const state = stray === undefined
        ? `it has ${length} tokens, the context ${this.context} positions; load with a larger context`
        : `token ${stray} is none of the vocabulary's ${vocabulary}; give the record as it was written`;
      throw new RangeError(`Cannot certify: ${state}`);
    }
    return await this.#alone("certify", () => certify(this.#verify, claim));
  }

  /** Does something with the verify lane that leaves nothing of a text in its cache. */
  async #alone<T>(what: string, use: () => Promise<T>): Promise<T> {
    if (this.#running) throw new Error(`Cannot ${what}: a generation is running; wait for its end`);
    this.#running = true;
    try {
      await this.#texts.leave();
      await this.#verify.drain();
      return await use();
    } finally {
      this.#running = false;
    }
  }

  /** Frees devices and models, once what runs has ended; then the process can end. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([this.#verify.close(), this.#draft?.close()]);
    await this.#remember?.(this.#launchRule.remembered);
  }

  /** As `close`: at the end of a block that begins with `await using engine = await load(...)`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
