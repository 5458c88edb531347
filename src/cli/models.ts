import { access } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { fetchDataset } from "../hub/hub.ts";
import { type DrafterName, type Engine, type KvCache, load, type LoadOptions, type LoadProgress } from "../../mod.ts";
import { DRAFTERS, draftsByModel, KV_CACHES } from "../engine/load.ts";
import { UsageError } from "./errors.ts";
import { count, text } from "./flags.ts";
import { Progress } from "./output.ts";

const MODELS = new URL("../../models/", import.meta.url);
const VERIFY_MODEL = "smollm2-135m-instruct-q4_1.gguf";
const DRAFT_MODEL = "smollm2-draft-42m-q8_0.gguf";
/** What the embedded verify model was made of, on the hub; 270 MB. */
const HUB_MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct";
/** What measured best of all ids, 24576, 16384 and 8192: lab/draft-vocabulary. */
export const DRAFT_VOCABULARY = 8_192;

/** Which models, on which devices. */
export interface ModelFlags {
  readonly "verify-model-path"?: string;
  readonly "draft-model-path"?: string;
  readonly "middle-model-path"?: string;
  readonly "verify-device"?: string;
  readonly "draft-device"?: string;
  readonly "middle-device"?: string;
  readonly "kv-cache": KvCache;
  readonly "draft-vocabulary"?: number;
  readonly drafter: DrafterName;
  readonly offline: boolean;
}

export const modelFlags = {
  "verify-model-path": text(
    "Model whose text you get: a GGUF file, a folder of safetensors, a hub's owner/name[:file or quantisation]" +
      "[@revision], or an address; default: the embedded one",
    "MODEL",
  ),
  "draft-model-path": text(
    "A small model with most of the same tokens; default: the embedded one, if the other is embedded",
    "MODEL",
  ),
  "middle-model-path": text("A model between the two: the draft model drafts for it, it for the verify model", "MODEL"),
  "verify-device": text("Index or part of the name (see the devices command); default: the strongest", "DEVICE"),
  "draft-device": text("The same, for the draft model; default: another GPU if there is one, else the same", "DEVICE"),
  "middle-device": text("The same, for the middle model", "DEVICE"),
  "kv-cache": { kind: "enum", values: KV_CACHES, brief: "How keys and values are kept", default: "f16" },
  "draft-vocabulary": {
    kind: "parsed",
    parse: count(1),
    brief: "The draft proposes only tokens with ids below N: faster, accepted a little less; default: all, of the " +
      "embedded pair 8192",
    placeholder: "N",
    optional: true,
  },
  drafter: {
    kind: "enum",
    values: DRAFTERS,
    brief: "What drafts: the draft model, look-up of what followed in the text before (no device), both, or nothing",
    default: "model+ngram",
  },
  offline: {
    kind: "boolean",
    brief: "Take models and datasets of a hub from the cache alone, with no request (as HF_HUB_OFFLINE=1)",
    default: false,
  },
} as const;

/** For conversations of any length; `load` has the default. */
export const contextFlag = {
  kind: "parsed",
  parse: count(2),
  brief: "Positions of the KV caches; default: what the model was trained for, at most 4096",
  placeholder: "N",
  optional: true,
} as const;

const mib = (bytes: number) => Math.floor(bytes / 2 ** 20);

/** What a person sees while models are fetched and loaded. */
function progressText({ step, file, done, total }: LoadProgress): string {
  if (step === "load") return `loading ${Math.floor(100 * done / total)} %`;
  const bar = "#".repeat(Math.floor(20 * done / total)).padEnd(20, ".");
  return `fetching ${file} [${bar}] ${mib(done)} of ${mib(total)} MiB`;
}

/** The local files of a dataset; a download shows how far it is. */
export async function datasetFiles(name: string, offline: boolean): Promise<string[]> {
  return await withProgress((onProgress) =>
    fetchDataset(name, { offline, onProgress: (file, done, total) => onProgress({ step: "fetch", file, done, total }) })
  );
}

async function withProgress<T>(use: (onProgress: (progress: LoadProgress) => void) => Promise<T>): Promise<T> {
  const progress = new Progress();
  try {
    return await use((step) => progress.show(progressText(step)));
  } finally {
    progress.clear();
  }
}

/**
 * Loads the models that the flags ask for; the draft model, or what stands in for it, only if one is wanted. `context`
 * says how many positions the caches need, and throws where they can't suffice.
 */
export async function loadEngine(
  flags: ModelFlags,
  drafts: boolean,
  context: LoadOptions["context"],
  slots = 1,
): Promise<Engine> {
  const { "middle-model-path": middle, "draft-model-path": draftPath, drafter } = flags;
  const hasModel = draftsByModel(drafter);
  if (middle !== undefined && drafts && !hasModel) {
    throw new UsageError(`Cannot use --middle-model-path with --drafter ${drafter}: leave one of the two out`);
  }
  const isAlone = flags["verify-model-path"] !== undefined && draftPath === undefined;
  if (middle !== undefined && hasModel && isAlone) {
    throw new UsageError("Cannot use --middle-model-path alone: give --draft-model-path too, or this model there");
  }
  const { verify, draft, draftVocabulary } = await modelPaths(flags, drafts && hasModel);
  return await withProgress((onProgress) =>
    load({
      verify,
      draft,
      middle: draft === undefined ? undefined : middle,
      drafter: drafts && (hasModel ? draft !== undefined : drafter === "ngram") ? drafter : undefined,
      verifyDevice: flags["verify-device"],
      draftDevice: flags["draft-device"],
      middleDevice: flags["middle-device"],
      context,
      slots,
      kvCache: flags["kv-cache"],
      draftVocabulary: flags["draft-vocabulary"] ?? draftVocabulary,
      offline: flags.offline,
      onProgress,
    })
  );
}

interface ModelPaths {
  readonly verify: string;
  readonly draft?: string;
  readonly draftVocabulary?: number;
}

/** The models' files. The embedded draft goes with the embedded verify model only. */
async function modelPaths(flags: ModelFlags, drafts: boolean): Promise<ModelPaths> {
  const { "verify-model-path": verify, "draft-model-path": draft } = flags;
  if (verify !== undefined) return { verify, draft: drafts ? draft : undefined };
  const embedded = (name: string) => fileURLToPath(new URL(name, MODELS));
  await access(embedded(VERIFY_MODEL)).catch(() => {
    throw new UsageError(
      `Cannot use the embedded models: this package came without; type "npx amusd --verify-model-path ${HUB_MODEL}", ` +
        "which fetches 270 MB, or give the --verify-model-path of a model of yours",
    );
  });
  if (!drafts) return { verify: embedded(VERIFY_MODEL) };
  if (draft !== undefined) return { verify: embedded(VERIFY_MODEL), draft };
  return { verify: embedded(VERIFY_MODEL), draft: embedded(DRAFT_MODEL), draftVocabulary: DRAFT_VOCABULARY };
}
