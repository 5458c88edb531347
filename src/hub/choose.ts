/** Which of a repository's files are wanted. */
import { isRecord } from "../util/is-record.ts";
import { quote } from "../util/text.ts";
import type { HubName, RepoType } from "./hub-name.ts";
import { assertWhole, groupShards, type Shards, shardsOf } from "./shards.ts";

/** The files of a repository. */
export interface Listing {
  /** All paths. */
  readonly files: readonly string[];
  /** Reads a small file. */
  readonly read: (path: string) => Promise<string>;
}

/** What was chosen. */
export interface Choice {
  readonly files: readonly string[];
  /** Whether the files are a folder in Hugging Face's layout, that of the first of them. */
  readonly isFolder?: boolean;
  /** Other models that the repository has, where the name didn't say which. */
  readonly others?: readonly string[];
}

/** The files beside the weights that say how a model works. */
const MODEL_TEXTS = [
  "config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "generation_config.json",
  "chat_template.jinja",
  "chat_template.json",
];
const NAMED_TEMPLATE = /^additional_chat_templates\/[^/]+\.jinja$/;
const INDEX = "model.safetensors.index.json";
/** What a GGUF's name may have in it that is no model: a projector of pictures, a calibration, a draft's head. */
const NO_MODEL = /mmproj|imatrix|^mtp-|eagle3-|dflash-/i;
/** The quantisations that are taken where the name doesn't say which, as llama.cpp's -hf does. */
const USUAL_TAGS = ["Q4_K_M", "Q8_0"];

/**
 * Chooses the files that `name` means. Rejects with an Error, whose message is to follow "Cannot fetch ...: ", where
 * there are none, or several that it may mean.
 */
export async function choose(type: RepoType, { file }: HubName, listing: Listing): Promise<Choice> {
  const { files } = listing;
  const whole = type === "model" ? chooseModel : chooseDataset;
  if (file === undefined) return await whole(listing);
  // A file of safetensors is a part of its folder.
  const isWeights = type === "model" && files.includes(file) && file.endsWith(".safetensors");
  const folder = isWeights ? file.split("/").slice(0, -1).join("/") : file;
  if (isWeights && folder === "") return await whole(listing);
  if (!isWeights && files.includes(file)) {
    if (type === "dataset") return { files: [file] };
    const shards = shardsOf(file, files);
    assertWhole(shards);
    return { files: shards };
  }
  const inFolder = files.filter((path) => path.startsWith(`${folder}/`)).map((path) => path.slice(folder.length + 1));
  if (inFolder.length > 0) {
    const chosen = await whole({ files: inFolder, read: (path) => listing.read(`${folder}/${path}`) });
    return { ...chosen, files: chosen.files.map((path) => `${folder}/${path}`) };
  }
  if (type === "model" && file.toLowerCase() === "latest") return await whole(listing);
  const [tagged] = type === "model" ? modelsOf(files).filter(([first]) => hasTag(first!, file)) : [];
  if (tagged) {
    assertWhole(tagged);
    return { files: tagged };
  }
  throw new Error(`there is no file ${quote(file)} in it; it holds ${files.slice(0, 20).join(", ")}`);
}

async function chooseModel({ files, read }: Listing): Promise<Choice> {
  const weights = files.includes("model.safetensors")
    ? ["model.safetensors"]
    : files.includes(INDEX)
    ? [INDEX, ...namesIn(await read(INDEX))]
    : [];
  if (files.includes("config.json") && weights.length > 0) {
    const missing = weights.find((path) => !files.includes(path));
    if (missing !== undefined) throw new Error(`its index names ${quote(missing)}, which is not there`);
    const texts = MODEL_TEXTS.filter((path) => files.includes(path));
    return { files: [...texts, ...files.filter((path) => NAMED_TEMPLATE.test(path)), ...weights], isFolder: true };
  }
  const models = modelsOf(files);
  if (models.length === 0) {
    const torch = files.find((path) => /\.(bin|pth?|ckpt)$/.test(path));
    throw new Error(
      `it holds no GGUF file, nor config.json with model.safetensors${torch ? `, but ${quote(torch)}` : ""}; ` +
        "choose another repository",
    );
  }
  const usual = USUAL_TAGS.map((tag) => models.find(([first]) => hasTag(first!, tag)));
  const chosen = usual.find((shards) => shards) ?? models[0]!;
  assertWhole(chosen);
  return { files: chosen, others: models.filter((shards) => shards !== chosen).map(([first]) => first!) };
}

/** The GGUF models among all files. */
function modelsOf(files: readonly string[]): Shards[] {
  return groupShards(files.filter((path) => /\.gguf$/i.test(path) && !NO_MODEL.test(path.split("/").at(-1)!)));
}

/** Whether a model's path has a quantisation as a word in it, in either case. */
function hasTag(path: string, tag: string): boolean {
  const escaped = tag.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`(?:^|[^a-z0-9])${escaped}[-./]`, "i").test(path);
}

/** The names of the files in an index of safetensors. */
function namesIn(text: string): string[] {
  let index: unknown;
  try {
    index = JSON.parse(text);
  } catch {
    index = null;
  }
  const map = isRecord(index) ? index.weight_map : null;
  const names = isRecord(map) ? Object.values(map) : [];
  if (names.length === 0 || !names.every((name) => typeof name === "string")) {
    throw new Error(`its ${INDEX} is no index of safetensors; choose another repository`);
  }
  return [...new Set(names as string[])];
}

function chooseDataset({ files }: Listing): Promise<Choice> {
  const tables = files.filter((path) => /\.(parquet|jsonl|jsonl\.gz|json)$/.test(path) && !/_infos?\.json$/.test(path));
  const ofSplit = (split: string) => tables.filter((path) => path.split(/[^A-Za-z0-9]+/).includes(split));
  const among = [ofSplit("test"), ofSplit("train"), tables].find((some) => some.length > 0) ?? [];
  const kinds = [".parquet", ".jsonl", ".jsonl.gz", ".json"].map((kind) =>
    groupShards(among.filter((path) => path.endsWith(kind)), { numbered: true })
  );
  const found = kinds.find((some) => some.length > 0) ?? [];
  if (found.length === 0) {
    throw new Error("it holds no .parquet, .jsonl, .jsonl.gz or .json file; choose another repository");
  }
  if (found.length > 1) {
    const firsts = found.map(([first]) => first!);
    throw new Error(`it holds several files: ${firsts.join(", ")}; name one, as owner/name:${firsts[0]}`);
  }
  assertWhole(found[0]!);
  return Promise.resolve({ files: found[0]! });
}
