import {
  type AdapterSelector,
  chooseAdapters,
  type DeviceSelection,
  listAdapters,
  openDevice,
} from "../gpu/adapters.ts";
import { Device } from "../gpu/device.ts";
import { Llama } from "../llama/llama.ts";
import { tunedVariant } from "../llama/tuning.ts";
import { modelHash } from "../checkpoint/model-hash.ts";
import { isBrowser, note } from "../platform/platform.ts";
import { RealClock } from "../spec/clock.ts";
import { type Lane, MAX_ROWS } from "../spec/lanes/lane.ts";
import { NgramLane } from "../spec/lanes/ngram-lane.ts";
import type { RememberedGain } from "../spec/schedule/draft-backoff.ts";
import { calibrate } from "../spec/schedule/calibrate.ts";
import { Estimates } from "../spec/schedule/estimates.ts";
import { ChainedLane } from "../spec/strategies/chained-lane.ts";
import { sum } from "../util/numbers.ts";
import { Engine, type EngineParts } from "./engine.ts";
import { readGain, writeGain } from "./gain-memory.ts";
import { ModelLane } from "./model-lane.ts";
import { closeModelPair, type ModelPair, openModelPair } from "./model-pair.ts";
import { TextCodec } from "./text-codec.ts";

/** Drafts come from the draft model, from look-up of what followed in the text before, from both, or there are none. */
export type DrafterName = "model" | "ngram" | "model+ngram" | "none";

/** The drafters, by name. */
export const DRAFTERS: readonly DrafterName[] = ["model", "ngram", "model+ngram", "none"];

/** Whether that drafter needs a draft model. */
export function draftsByModel(drafter: DrafterName): boolean {
  return drafter === "model" || drafter === "model+ngram";
}

/** How keys and values are kept: half precision takes half the memory. */
export type KvCache = "f16" | "f32";

/** The kinds of KV cache. */
export const KV_CACHES: readonly KvCache[] = ["f16", "f32"];

/** How far loading is. */
export interface LoadProgress {
  /** A file comes from a hub ("fetch"), or the weights of both models go to their devices ("load"). */
  readonly step: "fetch" | "load";
  /** The file that is fetched. */
  readonly file?: string;
  /** Bytes that are there. */
  readonly done: number;
  /** Bytes in all. */
  readonly total: number;
}

/** Which models to load, and where. A model is a GGUF file, a folder of safetensors, or a name on a hub. */
export interface LoadOptions {
  /** The model whose text you get: a file, a folder, or a hub's owner/name[:file][@revision]. */
  readonly verify: string;
  /** A small model that drafts, with at least half of the tokens of the other: what it lacks it doesn't propose. */
  readonly draft?: string;
  /** A model between the two: the draft model drafts for it, and it drafts for the verify model. */
  readonly middle?: string;
  /**
   * Default: "model+ngram" where there is a draft model, else "none". Only the launch rule "adaptive" weighs the two;
   * with the others, and with `sd`, the model drafts alone.
   */
  readonly drafter?: DrafterName;
  /** An adapter, its index, or a part of its name; default: the strongest. */
  readonly verifyDevice?: AdapterSelector;
  /** The same, for the draft model; default: another GPU if there is one, else the same. */
  readonly draftDevice?: AdapterSelector;
  /** The same, for the middle model. */
  readonly middleDevice?: AdapterSelector;
  /**
   * Positions of the KV caches, in which prompt and answer must fit, or a function that tells them once the verify
   * model's file is open; default: what that model was trained for, at most 4096.
   */
  readonly context?: number | ((codec: TextCodec) => number);
  /**
   * Texts whose keys and values are kept, for prompts that begin as they do (`reuseCache`): one in the caches, the
   * others beside them, where the device has memory for those; default 1.
   */
  readonly slots?: number;
  /** Default "f16". */
  readonly kvCache?: KvCache;
  /** The draft model proposes only tokens with ids below this: it is faster, and accepted less; default: all. */
  readonly draftVocabulary?: number;
  /** Take models of a hub from the cache alone, with no request. */
  readonly offline?: boolean;
  /** An AbortSignal: once it is aborted, loading ends with its reason. */
  readonly signal?: { readonly aborted: boolean; readonly reason?: unknown };
  /** Takes a line for each thing that a model's file does not say, and that was assumed; default: stderr. */
  readonly warn?: (message: string) => void;
  /** Hears how far loading is. */
  readonly onProgress?: (progress: LoadProgress) => void;
}

const DEFAULT_CONTEXT = 4096;

/**
 * Loads a model, and one to draft for it, on their devices. Throws an Error of one line where a file, a device or the
 * hub fails, a RangeError or a TypeError where an option is wrong or the model doesn't fit; then nothing stays open.
 */
export async function load(options: LoadOptions): Promise<Engine> {
  const { verify, draft, drafter = draft === undefined ? "none" : "model+ngram", kvCache = "f16", draftVocabulary } =
    options;
  assertOneOf("drafter", drafter, DRAFTERS);
  assertOneOf("KV cache", kvCache, KV_CACHES);
  const hasModel = draftsByModel(drafter);
  if (hasModel && draft === undefined) {
    throw new TypeError(
      `Cannot draft by a model: there is none; give one as draft, or another drafter than "${drafter}"`,
    );
  }
  if (draftVocabulary !== undefined && !(Number.isInteger(draftVocabulary) && draftVocabulary >= 1)) {
    throw new RangeError(`Cannot draft with a vocabulary of ${draftVocabulary}: a whole number of 1 or more is wanted`);
  }
  if (options.slots !== undefined && !(Number.isInteger(options.slots) && options.slots >= 1)) {
    throw new RangeError(`Cannot keep ${options.slots} texts: a whole number of slots, 1 or more, is wanted`);
  }
  if (options.middle !== undefined && !hasModel) {
    throw new TypeError("Cannot load a middle model alone: nothing drafts for it; give a draft model too");
  }
  const verifyPath = await pathOf(verify, options);
  const draftPath = hasModel ? await pathOf(draft!, options) : undefined;
  const middlePath = options.middle === undefined ? undefined : await pathOf(options.middle, options);
  const pair = await openModelPair(verifyPath, draftPath, options.warn ?? note, middlePath);
  const opened: Device[] = [];
  try {
    return new Engine(await open(pair, { ...options, drafter, kvCache }, opened));
  } catch (error) {
    for (const device of opened) device.close();
    throw error;
  } finally {
    await closeModelPair(pair);
  }
}

/** The local path of a model, which is fetched from its hub where need be. */
async function pathOf(model: string, { offline, signal, onProgress }: LoadOptions): Promise<string> {
  throwIfAborted(signal);
  if (isBrowser) return model;
  // A browser never loads this module, which needs files.
  const { fetchModel } = await import("../hub/hub.ts");
  return await fetchModel(model, {
    offline,
    signal: signal instanceof AbortSignal ? signal : undefined,
    onProgress: (file, done, total) => onProgress?.({ step: "fetch", file, done, total }),
  });
}

type OpenOptions = LoadOptions & Required<Pick<LoadOptions, "drafter" | "kvCache">>;

/** Opens the devices, which join `opened` one by one, and loads the models on them. */
async function open(pair: ModelPair, options: OpenOptions, opened: Device[]): Promise<EngineParts> {
  const { verify: file, draft: draftFile, middle: middleFile } = pair;
  const codec = new TextCodec(file.tokenizer, file.checkpoint.metadata, file.config.contextLength);
  const context = contextOf(codec, options.context);
  const { middleDevice, draftDevice, verifyDevice } = options;
  const chain = middleFile ? { middleSelector: middleDevice } : undefined;
  const { verify, draft, middle } = chooseAdapters(await listAdapters(), draftDevice, verifyDevice, chain);
  const plans = [
    { file, selection: verify },
    ...(middleFile ? [{ file: middleFile, selection: middle! }] : []),
    ...(draftFile ? [{ file: draftFile, selection: draft }] : []),
  ];
  for (const { selection } of plans) opened.push(new Device(await openDevice(threadsFor(selection, plans.length))));

  const onBytes = progressOf(plans.length, options);
  const llamas = await settleAll(
    plans.map(async ({ file, file: { checkpoint, config } }, i) =>
      Llama.load(opened[i]!, checkpoint, config, {
        variant: await tunedVariant(opened[i]!, checkpoint),
        capacity: context,
        kvCache: options.kvCache,
        ...(file === middleFile && { lacking: middleFile.lacking }),
        ...(file === draftFile && {
          vocabularyLimit: options.draftVocabulary,
          lacking: draftFile.lacking,
          branchCapacity: MAX_ROWS,
        }),
        onBytes: (done, total) => onBytes(i, done, total),
      })
    ),
  );
  const [verifyLane, ...drafting] = llamas.map((llama, i): Lane => {
    const device = opened[i]!;
    // On a software adapter a stale step costs more than the host's share of a step saves.
    const stepsAhead = device.label === "draft" && device.software ? 1 : 2;
    return new ModelLane(device.label, llama, stepsAhead, () => device.close());
  });
  const clock = new RealClock();
  if (middleFile) drafting.splice(0, 2, await chainOf(drafting[0]!, drafting[1]!, options.warn ?? note));
  const estimates = new Estimates();
  if (draftFile) await calibrate(verifyLane!, drafting[0]!, estimates.costs, clock);
  else if (options.drafter === "ngram") drafting.push(new NgramLane("draft", context, clock));
  throwIfAborted(options.signal);
  const hashes = await Promise.all(plans.map(({ file: { checkpoint } }) => modelHash(checkpoint)));
  const gainKey = {
    models: hashes,
    devices: llamas.map(({ context }, i) =>
      [opened[i]!.adapter.name, opened[i]!.adapter.driver, context.variant.name].join(", ")
    ),
    draftVocabulary: options.draftVocabulary ?? null,
  };
  return {
    pair,
    codec,
    lanes: [verifyLane!, ...drafting],
    loaded: llamas.map((llama, i) => ({ llama, device: opened[i]! })),
    estimates,
    context,
    slots: options.slots,
    lookUp: options.drafter === "model+ngram",
    draftVocabulary: draftFile ? options.draftVocabulary ?? null : null,
    modelHash: hashes[0]!,
    ...draftFile && {
      remembered: await readGain(gainKey),
      remember: (gain: RememberedGain) => writeGain(gainKey, gain),
    },
  };
}

/** The draft lane of a chain. */
async function chainOf(middle: Lane, draft: Lane, warn: (message: string) => void): Promise<Lane> {
  const [clock, estimates] = [new RealClock(), new Estimates()];
  await calibrate(middle, draft, estimates.costs, clock);
  return new ChainedLane({ name: draft.name, middle, draft, estimates, clock, warn });
}

function contextOf(codec: TextCodec, wanted: LoadOptions["context"]): number {
  const trained = codec.contextLength;
  const context = typeof wanted === "function" ? wanted(codec) : wanted ?? Math.min(trained, DEFAULT_CONTEXT);
  if (Number.isInteger(context) && context >= 2 && context <= trained) return context;
  throw new RangeError(
    `Cannot use a context of ${context}: the model was trained for ${trained}; give 2 to ${trained}`,
  );
}

/** Adds up what the models tell of themselves. An aborted signal ends their loading here. */
function progressOf(models: number, { signal, onProgress }: LoadOptions) {
  const loaded = Array.from({ length: models }, () => ({ done: 0, total: 0 }));
  return (model: number, done: number, total: number) => {
    throwIfAborted(signal);
    loaded[model] = { done, total };
    onProgress?.({
      step: "load",
      done: sum(loaded.map(({ done }) => done)),
      total: sum(loaded.map(({ total }) => total)),
    });
  };
}

/** One model alone gets all threads of a software adapter. */
function threadsFor(selection: DeviceSelection, models: number): DeviceSelection {
  return models > 1 ? selection : { ...selection, threads: undefined };
}

function assertOneOf(what: string, value: string, allowed: readonly string[]): void {
  if (allowed.includes(value)) return;
  throw new RangeError(`Cannot use "${value}" as ${what}: there are ${allowed.join(", ")}`);
}

function throwIfAborted(signal: LoadOptions["signal"]): void {
  if (signal?.aborted) throw signal.reason ?? new Error("Cannot load: it was aborted");
}

/** As Promise.all, but nothing is still under way when it throws. */
async function settleAll<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(promises);
  return Promise.all(promises);
}
