import { access } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { fetchModel, type HubOptions } from "../hub/hub.ts";
import { closeModelPair, type ModelFile, openModelPair } from "../engine/model-pair.ts";
import { Engine } from "../engine/engine.ts";
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
  readonly "verify-device"?: string;
  readonly "draft-device"?: string;
  readonly "kv-cache": "f16" | "f32";
  readonly "draft-vocab"?: number;
  readonly drafter: Drafter;
  readonly offline: boolean;
}

const DRAFTERS = ["model", "ngram", "none"] as const;
type Drafter = (typeof DRAFTERS)[number];

export const modelFlags = {
  "verify-model-path": text(
    "Model whose text you get: a GGUF file, a folder of safetensors, or a hub's owner/name[:file][@revision]; default: the embedded one",
    "MODEL",
  ),
  "draft-model-path": text(
    "A small model with the same vocabulary; default: the embedded one, if the other is embedded",
    "MODEL",
  ),
  "verify-device": text("Index or part of the name (see the devices command); default: the strongest", "DEVICE"),
  "draft-device": text("The same, for the draft model; default: another GPU if there is one, else the same", "DEVICE"),
  "kv-cache": { kind: "enum", values: ["f16", "f32"], brief: "How keys and values are kept", default: "f16" },
  "draft-vocab": {
    kind: "parsed",
    parse: count(1),
    brief:
      "The draft proposes only tokens with ids below N: faster, accepted a little less; default: all, of the embedded pair 8192",
    placeholder: "N",
    optional: true,
  },
  drafter: {
    kind: "enum",
    values: DRAFTERS,
    brief:
      "What drafts: the draft model, look-up of what followed in the text before (no model, no device), or nothing",
    default: "model",
  },
  offline: {
    kind: "boolean",
    brief: "Take models and datasets of a hub from the cache alone, with no request",
    default: false,
  },
} as const;

/** How the hub is used: a download shows how far it is. */
export async function withHub<T>(offline: boolean, use: (options: HubOptions) => Promise<T>): Promise<T> {
  const progress = new Progress();
  const mib = (bytes: number) => Math.floor(bytes / 2 ** 20);
  try {
    return await use({
      offline,
      onProgress: (file, done, total) => {
        const bar = "#".repeat(Math.floor(20 * done / total)).padEnd(20, ".");
        progress.show(`fetching ${file} [${bar}] ${mib(done)} of ${mib(total)} MiB`);
      },
    });
  } finally {
    progress.clear();
  }
}

/**
 * Opens the models and loads them; the draft model, or what stands in for it, only if one is wanted. `contextFor` says how many positions the caches need, and throws
 * where they can't suffice.
 */
export async function loadEngine(
  flags: ModelFlags,
  drafts: boolean,
  contextFor: (verify: ModelFile) => number,
): Promise<Engine> {
  const { drafter } = flags;
  const paths = await modelPaths(flags, drafts && drafter === "model");
  const { draftVocabulary } = paths;
  const { verify, draft } = await withHub(flags.offline, async (hub) => ({
    verify: await fetchModel(paths.verify, hub),
    draft: paths.draft === undefined ? undefined : await fetchModel(paths.draft, hub),
  }));
  const pair = await openModelPair(verify, draft);
  let context;
  try {
    context = contextFor(pair.verify);
  } catch (error) {
    await closeModelPair(pair);
    throw error;
  }
  const progress = new Progress();
  try {
    return await Engine.load(pair, {
      verifyDevice: flags["verify-device"],
      draftDevice: flags["draft-device"],
      context,
      cache: flags["kv-cache"],
      draftVocabulary: flags["draft-vocab"] ?? draftVocabulary,
      ngramDrafts: drafts && drafter === "ngram",
      onProgress: (done, total) => progress.show(`loading ${Math.floor(100 * done / total)} %`),
    });
  } finally {
    progress.clear();
  }
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
