import type { ByteSource } from "../platform/byte-source.ts";
import { isFile, listFolder, openFile } from "../platform/platform.ts";
import { type LlamaConfig, llamaConfig } from "../checkpoint/config.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { openGguf, partPaths } from "../checkpoint/gguf.ts";
import { openHuggingFace } from "../checkpoint/hugging-face.ts";
import { assertSameVocabulary, loadTokenizer, type Tokenizer } from "../tokenizer/tokenizer.ts";

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

/** The model that writes, and the one that drafts for it, if any: both share a vocabulary. */
export interface ModelPair {
  readonly verify: ModelFile;
  readonly draft: ModelFile | null;
}

/** Opens both files. Throws an Error as `openModelFile` does, and where the vocabularies differ. */
export async function openModelPair(verifyPath: string, draftPath?: string): Promise<ModelPair> {
  const verify = await openModelFile(verifyPath);
  let draft: ModelFile | null = null;
  try {
    if (draftPath !== undefined) {
      draft = await openModelFile(draftPath);
      assertSameVocabulary(verify.tokenizer, draft.tokenizer);
    }
    return { verify, draft };
  } catch (error) {
    await closeModelPair({ verify, draft });
    throw error;
  }
}

export async function closeModelPair({ verify, draft }: ModelPair): Promise<void> {
  await Promise.all([verify.checkpoint.close(), draft?.checkpoint.close()]);
}
