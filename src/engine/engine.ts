import { type AdapterInfo, chooseAdapters, type DeviceSelection, listAdapters, openDevice } from "../gpu/adapters.ts";
import { Device } from "../gpu/device.ts";
import { collectAtRest } from "../gpu/garbage.ts";
import type { KvCacheType } from "../kernels/attention/attention.ts";
import { type ChatMessage, encodeChat } from "../tokenizer/chat-template.ts";
import { Llama } from "../llama/llama.ts";
import { TextStream } from "../tokenizer/text-stream.ts";
import { type ModelProfile, profileLlama } from "../llama/profile.ts";
import { tunedVariant } from "../llama/tuning.ts";
import { closeModelPair, type ModelFile, type ModelPair } from "./model-pair.ts";
import { Estimates } from "../spec/schedule/estimates.ts";
import { Generation, type GenerationOptions } from "./generation.ts";
import { type Lane, MAX_ROWS } from "../spec/lanes/lane.ts";
import { AdaptiveLaunch } from "../spec/schedule/adaptive-launch.ts";
import { calibrate } from "../spec/schedule/calibrate.ts";
import { RealClock } from "../spec/clock.ts";
import type { LaunchRule } from "../spec/schedule/launch-rule.ts";
import { ModelLane } from "./model-lane.ts";
import { NgramLane } from "../spec/lanes/ngram-lane.ts";

export interface EngineOptions {
  /** Index or part of the name of an adapter; by default as `chooseAdapters` has it. */
  readonly verifyDevice?: string;
  readonly draftDevice?: string;
  /** Positions of the key-value caches: prompt and answer must fit. */
  readonly context: number;
  readonly cache?: KvCacheType;
  /** The draft proposes only tokens with ids below; all by default. It drafts faster, and is accepted less. */
  readonly draftVocabulary?: number;
  /** Draft by looking up what followed in the text before, without a model: right where a text repeats itself, as edits of code do. */
  readonly ngramDrafts?: boolean;
  /** Hears how many of all weights' bytes lie on their devices. */
  readonly onProgress?: (done: number, total: number) => void;
}

interface LoadedModel {
  readonly device: Device;
  readonly llama: Llama;
}

/** What the lanes' caches hold: tokens of `text`, so many in each. */
interface Cached {
  readonly text: readonly number[];
  readonly verify: number;
  readonly draft: number;
}

/** In place of a model and of a device. */
const NGRAM_LOOK_UP = "n-gram look-up";

const NOTHING_CACHED: Cached = { text: [], verify: 0, draft: 0 };

/** A verify and a draft model on their devices, ready to generate: one text at a time. */
export class Engine {
  readonly context: number;
  /** The draft proposes only tokens with ids below; null: all. */
  readonly draftVocabulary: number | null;
  /** File and device of each lane, for people. */
  readonly models: Readonly<Record<string, string>>;
  readonly devices: Readonly<Record<string, string>>;
  /** What each lane's device was opened on. */
  readonly adapters: Readonly<Record<string, AdapterInfo>>;
  readonly variants: Readonly<Record<string, string>>;
  readonly #verifyFile: ModelFile;
  readonly #loaded: readonly LoadedModel[];
  readonly #verify: Lane;
  readonly #draft: Lane | undefined;
  /** Kept from one generation to the next, as is the launch rule, for what it has learnt of whether drafting pays. */
  readonly #estimates: Estimates;
  readonly #launchRule: LaunchRule;
  #cached = NOTHING_CACHED;
  #running = false;
  #draftLost = false;

  private constructor(
    pair: ModelPair,
    lanes: readonly Lane[],
    loaded: readonly LoadedModel[],
    estimates: Estimates,
    options: EngineOptions,
  ) {
    const byLane = (values: readonly string[]) =>
      Object.fromEntries(lanes.map(({ name }, i) => [name, values[i] ?? NGRAM_LOOK_UP]));
    this.models = byLane([pair.verify, pair.draft].flatMap((file) => file ? [file.path] : []));
    this.adapters = Object.fromEntries(loaded.map(({ device }) => [device.label, device.adapter]));
    this.devices = byLane(loaded.map(({ device }) => device.adapter.name));
    this.variants = Object.fromEntries(loaded.map(({ llama, device }) => [device.label, llama.context.variant.name]));
    this.#loaded = loaded;
    this.#estimates = estimates;
    this.#launchRule = new AdaptiveLaunch(estimates, new RealClock());
    this.#verifyFile = pair.verify;
    [this.#verify, this.#draft] = [lanes[0]!, lanes[1]];
    this.context = options.context;
    this.draftVocabulary = pair.draft && options.draftVocabulary !== undefined ? options.draftVocabulary : null;
  }

  /**
   * Opens the devices and loads the models on them; closes the pair's files. Throws an Error or a RangeError of one line where a
   * device isn't there or a model doesn't fit; then nothing stays open.
   */
  static async load(pair: ModelPair, options: EngineOptions): Promise<Engine> {
    const opened: Device[] = [];
    try {
      const { context } = options;
      const trained = pair.verify.config.contextLength;
      if (!Number.isInteger(context) || context < 2 || context > trained) {
        throw new RangeError(
          `Cannot use a context of ${context}: the model was trained for ${trained}; give 2 to ${trained}`,
        );
      }
      const { verify, draft } = chooseAdapters(await listAdapters(), options.draftDevice, options.verifyDevice);
      const plans = [{ file: pair.verify, selection: verify }];
      if (pair.draft) plans.push({ file: pair.draft, selection: draft });
      for (const { selection } of plans) opened.push(new Device(await openDevice(threadsFor(selection, plans.length))));

      const progress = plans.map(() => ({ done: 0, total: 0 }));
      const llamas = await settleAll(
        plans.map(async ({ file }, i) =>
          Llama.load(opened[i]!, file.checkpoint, file.config, {
            variant: await tunedVariant(opened[i]!, file.checkpoint),
            capacity: options.context,
            kvCache: options.cache,
            ...(file === pair.draft && { vocabularyLimit: options.draftVocabulary, branchCapacity: MAX_ROWS }),
            onBytes: (done, total) => {
              progress[i] = { done, total };
              const sum = (key: "done" | "total") => progress.reduce((bytes, model) => bytes + model[key], 0);
              options.onProgress?.(sum("done"), sum("total"));
            },
          })
        ),
      );
      const lanes: Lane[] = llamas.map((llama, i) => {
        const device = opened[i]!;
        // On a software adapter a stale step costs more than the host's share of a step saves.
        const stepsAhead = device.label === "draft" && device.software ? 1 : 2;
        return new ModelLane(device.label, llama, stepsAhead, () => device.close());
      });
      const estimates = new Estimates();
      if (pair.draft) await calibrate(lanes[0]!, lanes[1]!, estimates.costs, new RealClock());
      else if (options.ngramDrafts) lanes.push(new NgramLane("draft", context, new RealClock()));
      return new Engine(pair, lanes, llamas.map((llama, i) => ({ llama, device: opened[i]! })), estimates, options);
    } catch (error) {
      for (const device of opened) device.close();
      throw error;
    } finally {
      await closeModelPair(pair);
    }
  }

  /** Whether there is something to draft with, and on a device that is still there. */
  get drafts(): boolean {
    return this.#draft !== undefined && !this.#draftLost;
  }

  /** Prompt tokens of plain text (`raw`), or of one user message in the model's chat template. */
  encode(prompt: string, raw = false): number[] {
    return encodePrompt(this.#verifyFile, prompt, raw);
  }

  /** Prompt tokens of a conversation in the model's chat template, up to where its answer begins. */
  encodeChat(messages: readonly ChatMessage[]): number[] {
    const { tokenizer, checkpoint: checkpoint } = this.#verifyFile;
    return encodeChat(tokenizer, checkpoint.metadata, messages, { addGenerationPrompt: true });
  }

  /** The text that each of an answer's tokens brings; joined, they are the answer's. */
  pieces(tokens: readonly number[]): string[] {
    const { tokenizer } = this.#verifyFile;
    const stream = new TextStream(tokenizer, { stop: [] });
    const pieces = tokens.map((token) => tokenizer.eosIds.has(token) ? "" : stream.push(token));
    if (pieces.length > 0) pieces[pieces.length - 1] += stream.flush();
    return pieces;
  }

  /** Generates after a prompt: text, or its tokens. One generation at a time: an iteration throws an Error while another runs. */
  generate(prompt: string | readonly number[], options: GenerationOptions = {}): Generation {
    const tokens = typeof prompt === "string" ? this.encode(prompt, options.raw) : prompt;
    return this.#start(tokens, options, false);
  }

  /** A conversation, which feeds the models only what is new in each turn. */
  chat(options: { readonly system?: string } = {}): Chat {
    const { tokenizer, checkpoint: checkpoint } = this.#verifyFile;
    const date = new Date();
    const messages: ChatMessage[] = options.system === undefined ? [] : [{ role: "system", content: options.system }];
    return new Chat(messages, (turns, generation) => {
      const tokens = encodeChat(tokenizer, checkpoint.metadata, turns, { addGenerationPrompt: true, date });
      return this.#start(tokens, generation, true);
    });
  }

  /** With `resumes`, what the caches hold of the prompt when the run begins is not fed again. */
  #start(prompt: readonly number[], options: GenerationOptions, resumes: boolean): Generation {
    const draft = this.drafts ? this.#draft : undefined;
    const generation = new Generation({
      tokenizer: this.#verifyFile.tokenizer,
      prompt,
      verify: this.#verify,
      draft,
      estimates: this.#estimates,
      adaptive: this.#launchRule,
      models: this.models,
      devices: this.devices,
      variants: this.variants,
      onStart: () => {
        if (this.#running) throw new Error("Cannot generate: another generation is running; wait for its end");
        this.#running = true;
        const { text, ...held } = resumes ? this.#cached : NOTHING_CACHED;
        const parting = prompt.findIndex((token, i) => token !== text[i]);
        const shared = parting < 0 ? prompt.length : parting;
        return { verify: Math.min(shared, held.verify), draft: Math.min(shared, held.draft) };
      },
      onEnd: () => {
        this.#running = false;
        collectAtRest();
        this.#draftLost ||= generation.draftLost;
        const text = [...prompt, ...generation.tokens];
        const held = (lane: Lane | undefined) => lane ? generation.cachedLength(lane.name, text) : 0;
        this.#cached = { text, verify: held(this.#verify), draft: held(draft) };
      },
    }, this.#draftLost ? { ...options, strategy: "greedy" } : options);
    return generation;
  }

  /**
   * Measures, lane by lane and kernel by kernel, passes at `position` (lower where the context ends): of each number of `rows` (1 to 16) on
   * the verify lane, of one on the draft lane. What the caches held is lost. Throws an Error while a generation runs, a RangeError for rows
   * that no pass takes.
   */
  async profile(position: number, rows: readonly number[]): Promise<Record<string, ModelProfile>> {
    const [most, limit] = [Math.max(...rows), Math.min(MAX_ROWS, this.context)];
    if (!rows.every((count) => Number.isInteger(count) && count >= 1 && count <= limit)) {
      throw new RangeError(`Cannot profile passes of ${rows.join(", ")} rows: 1 to ${limit} are possible`);
    }
    if (this.#running) throw new Error("Cannot profile: a generation is running; wait for its end");
    this.#running = true;
    this.#cached = NOTHING_CACHED;
    try {
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

  /** Frees devices and models; the process can end. */
  async close(): Promise<void> {
    await Promise.all([this.#verify.close(), this.#draft?.close()]);
  }
}

type Answer = (messages: readonly ChatMessage[], options: GenerationOptions) => Generation;

/** Turns of a conversation; each answer joins them as it ends. */
export class Chat {
  readonly #messages: ChatMessage[];
  readonly #answer: Answer;

  /** `answer` generates what follows a conversation; `Engine.chat` gives it. */
  constructor(messages: ChatMessage[], answer: Answer) {
    this.#messages = messages;
    this.#answer = answer;
  }

  get messages(): readonly ChatMessage[] {
    return this.#messages;
  }

  /** Says `content` as the user; the generation is the answer. */
  send(content: string, options: GenerationOptions = {}): Generation {
    const user = { role: "user", content };
    const generation = this.#answer([...this.#messages, user], options);
    generation.ended.then(() => this.#messages.push(user, { role: "assistant", content: generation.text }));
    return generation;
  }
}

/** The tokens of a prompt as a model takes it: plain text, or one user message in its chat template. */
export function encodePrompt({ tokenizer, checkpoint: checkpoint }: ModelFile, prompt: string, raw: boolean): number[] {
  if (raw) return tokenizer.encode(prompt, { special: false });
  return encodeChat(tokenizer, checkpoint.metadata, [{ role: "user", content: prompt }], { addGenerationPrompt: true });
}

/** One model alone gets all threads of a software adapter. */
function threadsFor(selection: DeviceSelection, lanes: number): DeviceSelection {
  return lanes > 1 ? selection : { ...selection, threads: undefined };
}

/** As Promise.all, but nothing is still under way when it throws. */
async function settleAll<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(promises);
  return Promise.all(promises);
}
