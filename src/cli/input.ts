import { readFile } from "node:fs/promises";
import process from "node:process";
import { decodeText } from "../util/decode-text.ts";
import { oneLine } from "./errors.ts";

/**
 * A text file's content, without a byte order mark. Throws an Error of one line where it can't be read; `verb` says
 * what it was for, as "draw".
 */
export function readText(file: string, verb: string): Promise<string> {
  return read(file, verb, false);
}

/** As `readText`, for JSON whose writing may have been interrupted: a character that the end cuts is left out. */
export function readContent(file: string, verb: string): Promise<string> {
  return read(file, verb, true);
}

async function read(file: string, verb: string, mayBeCut: boolean): Promise<string> {
  try {
    return decodeText(await readFile(file), { mayBeCut });
  } catch (error) {
    const missing = (error as { code?: string }).code === "ENOENT";
    throw new Error(`Cannot ${verb} "${file}": ${missing ? "there is no such file; check the path" : oneLine(error)}`);
  }
}

/** The text on standard input. Throws an Error of one line where it is none. */
export async function readStdin(): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  try {
    return decodeText(Buffer.concat(chunks));
  } catch (error) {
    throw new Error(`Cannot read standard input: ${oneLine(error)}`);
  }
}
