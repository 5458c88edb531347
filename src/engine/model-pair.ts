import type { ByteSource } from "../platform/byte-source.ts";
import { isFile, listFolder, openFile } from "../platform/platform.ts";
import { type LlamaConfig, llamaConfig } from "../checkpoint/config.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { openGguf, partPaths } from "../checkpoint/gguf.ts";
import { gatherTokens } from "../checkpoint/gathered-rows.ts";
import { openHuggingFace } from "../checkpoint/hugging-face.ts";
import { shareTokens } from "../tokenizer/shared-tokens.ts";
import { loadTokenizer, type Tokenizer } from "../tokenizer/tokenizer.ts";

/** A model file, or folder, whose header was read and checked; its weights are still in the file. */
export interface ModelFile {
  readonly path: string;
  readonly checkpoint: Checkpoint;
  readonly config: LlamaConfig;
  readonly tokenizer: Tokenizer;
}

/**
 * Opens a GGUF file (of a split one, any part names them all) or a folder in Hugging Face's layout. Throws an Error of
 * one line if it isn't a model that runs here.
 */
export async function openModelFile(path: string): Promise<ModelFile> {
  const names = await listFolder(path);
  const checkpoint = names ? await openHuggingFace(path, names) : await openGgufParts(path);
  try {
    return { path, checkpoint, config: await llamaConfig(checkpoint), tokenizer: loadTokenizer(checkpoint.metadata) };
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}

async function openGgufParts(path: string): Promise<Checkpoint> {
  const sources: ByteSource[] = [];
  const parts = partPaths(path);
  // A whole file may be named so too; a part alone is told as such by its header.
  const isAlone = (await Promise.all(parts.map(isFile))).every((there, i) => !there || parts[i] === path);
  try {
    for (const part of isAlone ? [path] : parts) sources.push(await openFile(part));
  } catch (error) {
    await Promise.all(sources.map((source) => source.close()));
    throw error;
  }
  return await openGguf(sources);
}

/** The model that writes, the one that drafts for it, and in a chain the one between the two. */
export interface ModelPair {
  readonly verify: ModelFile;
  readonly draft: DraftFile | null;
  readonly middle: DraftFile | null;
}

/** A draft model whose tokens have the verify model's ids. */
export interface DraftFile extends ModelFile {
  /** The ids that it has no token for, and must not choose: another token's weights stand there. */
  readonly lacking: ReadonlySet<number>;
}

/** The least share of the verify model's tokens that a draft has to have: with fewer it is hardly ever right. */
const LEAST_SHARE = 0.5;

/**
 * Opens the files. Throws an Error as `openModelFile` does, and where a model that drafts has too few of the verify
 * model's tokens; where it lacks some, `warn` hears how many it has, as it hears what the tokenizers had to guess.
 */
export async function openModelPair(
  verifyPath: string,
  draftPath?: string,
  warn: (line: string) => void = () => {},
  middlePath?: string,
): Promise<ModelPair> {
  const open = async (path: string) => {
    const file = await openModelFile(path);
    for (const warning of file.tokenizer.warnings) warn(`"${path}": ${warning}`);
    return file;
  };
  const opened: ModelFile[] = [];
  const openDraft = async (path: string, name: string) => {
    opened.push(await open(path));
    return draftFor(opened[0]!, opened.at(-1)!, name, warn);
  };
  try {
    opened.push(await open(verifyPath));
    return {
      verify: opened[0]!,
      draft: draftPath === undefined ? null : await openDraft(draftPath, "draft"),
      middle: middlePath === undefined ? null : await openDraft(middlePath, "middle"),
    };
  } catch (error) {
    await Promise.all(opened.map(({ checkpoint }) => checkpoint.close()));
    throw error;
  }
}

/** The model, by the name of its lane, with its tokens by the verify model's ids. */
function draftFor(verify: ModelFile, draft: ModelFile, name: string, warn: (line: string) => void): DraftFile {
  const sharedTokens = shareTokens(verify.tokenizer, draft.tokenizer);
  if (!sharedTokens) return { ...draft, lacking: new Set() };
  const { rows, lacking, shared, total } = sharedTokens;
  const share = `${Math.floor(100 * shared / total)} % of the verify model's ${total} tokens of text`;
  if (!(shared >= LEAST_SHARE * total)) {
    throw new Error(
      `Cannot draft with "${draft.path}": it has ${share}, wanted ${100 * LEAST_SHARE} % or more; ` +
        "use a draft model of the same family",
    );
  }
  if (shared < total) warn(`The ${name} model has ${share}; it does not propose the others`);
  return {
    path: draft.path,
    checkpoint: gatherTokens(draft.checkpoint, rows),
    config: { ...draft.config, vocabulary: rows.length },
    tokenizer: verify.tokenizer,
    lacking,
  };
}

export async function closeModelPair({ verify, draft, middle }: ModelPair): Promise<void> {
  await Promise.all([verify, draft, middle].map((file) => file?.checkpoint.close()));
}
