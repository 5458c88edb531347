// What becomes of a damaged model when it is opened, up to where a forward pass would begin.

import { FORMATS } from "../../src/checkpoint/formats.ts";
import { type ModelFile, openModelFile } from "../../src/engine/model-pair.ts";
import { renderChat } from "../../src/tokenizer/chat-template.ts";
import type { MutantFiles } from "./mutants.ts";

/**
 * "refused" and "opened" are well. The others are faults: an error of several lines, one that is no plain Error or
 * doesn't say what cannot be done, a model that opens although what it says of itself can't be so.
 */
export const OUTCOMES = ["refused", "opened", "several lines", "no plain Error", "unsound"] as const;
export type Outcome = typeof OUTCOMES[number];

const TEXT = "The Lämmer, in 2024: it's 🦙 and\n\n the   <|endoftext|> end </s>\u2028 of 12345 tokens";
const MESSAGES = [
  { role: "system", content: "Be brief." },
  { role: "user", content: "Hello" },
  { role: "assistant", content: "Hi" },
  { role: "user", content: "" },
];

/** Writes the files into the folder, which is emptied first, and opens the model. `text` says what was wrong. */
export async function outcomeOf(files: MutantFiles, folder: string): Promise<{ outcome: Outcome; text: string }> {
  for (const { name } of [...Deno.readDirSync(folder)]) Deno.removeSync(`${folder}/${name}`);
  for (const [name, bytes] of Object.entries(files)) Deno.writeFileSync(`${folder}/${name}`, bytes);
  let file: ModelFile | undefined;
  try {
    file = await openModelFile("model.gguf" in files ? `${folder}/model.gguf` : folder);
    const wrong = unsoundness(file);
    if (wrong !== null) return { outcome: "unsound", text: wrong };
    try {
      renderChat(file.checkpoint.metadata, MESSAGES, { addGenerationPrompt: true });
    } catch (error) {
      const fault = faultOf(error);
      if (fault) return fault;
    }
    return { outcome: "opened", text: "" };
  } catch (error) {
    return faultOf(error) ?? { outcome: "refused", text: (error as Error).message };
  } finally {
    await file?.checkpoint.close();
  }
}

/** What is wrong with an error; `null` where it is a plain Error of one line that says what cannot be done. */
function faultOf(error: unknown): { outcome: Outcome; text: string } | null {
  const text = error instanceof Error ? `${error.stack}` : String(error);
  if (!(error instanceof Error) || error.constructor !== Error) return { outcome: "no plain Error", text };
  if (/[\n\r]/.test(error.message)) return { outcome: "several lines", text };
  return /^Cannot .{10,900}$/.test(error.message) ? null : { outcome: "no plain Error", text };
}

/** What a model that opened says of itself that can't be so; `null` where all is well. */
function unsoundness({ checkpoint, config, tokenizer }: ModelFile): string | null {
  for (const { name, type, shape, offset, bytes, source } of checkpoint.tensors.values()) {
    const { blockElements, blockBytes } = FORMATS[type];
    if (bytes !== shape.reduce((a, b) => a * b) / blockElements * blockBytes) {
      return `tensor ${name} has ${bytes} bytes`;
    }
    if (!Number.isInteger(offset) || offset < 0 || offset + bytes > source.size) {
      return `tensor ${name} is at ${offset}`;
    }
  }
  for (const [key, value] of Object.entries(config)) {
    const numbers = typeof value === "number" ? [value] : ArrayBuffer.isView(value) ? [...value as Float32Array] : [];
    if (!numbers.every((number) => number >= 0 && number < Infinity)) return `its ${key} is ${value}`;
  }
  const { layers, hidden, heads, headSize, vocabulary } = config;
  for (const count of [layers, hidden, heads, headSize, vocabulary]) {
    if (!Number.isInteger(count) || count < 1) return `it counts ${count} of something`;
  }
  for (const special of [true, false]) {
    const ids = tokenizer.encode(TEXT, { special, addBos: false });
    const wrong = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= tokenizer.vocabulary);
    if (wrong !== undefined) return `its text has token ${wrong} of ${tokenizer.vocabulary}`;
    for (const id of ids) tokenizer.tokenBytes(id, { special });
  }
  return null;
}
