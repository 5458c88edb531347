import type { ByteSource } from "../gpu/byte-source.ts";
import { openFile } from "../gpu/platform.ts";
import { type LlamaConfig, llamaConfig } from "./config.ts";
import { type Gguf, openGguf, partPaths } from "./gguf.ts";
import { assertSameVocabulary, loadTokenizer, type Tokenizer } from "./tokenizer.ts";

/** A model file whose header was read and checked; its weights are still in the file. */
export interface ModelFile {
  readonly path: string;
  readonly gguf: Gguf;
  readonly config: LlamaConfig;
  readonly tokenizer: Tokenizer;
}

/** Opens a GGUF file; of a split one, any part names them all. Throws an Error of one line if it isn't a model that runs here. */
export async function openModelFile(path: string): Promise<ModelFile> {
  const sources: ByteSource[] = [];
  try {
    for (const part of partPaths(path)) sources.push(await openFile(part));
  } catch (error) {
    await Promise.all(sources.map((source) => source.close()));
    throw error;
  }
  const gguf = await openGguf(sources);
  try {
    return { path, gguf, config: await llamaConfig(gguf), tokenizer: loadTokenizer(gguf.metadata) };
  } catch (error) {
    await gguf.close();
    throw error;
  }
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
  await Promise.all([verify.gguf.close(), draft?.gguf.close()]);
}
