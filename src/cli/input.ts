import { readFile } from "node:fs/promises";
import { oneLine } from "./errors.ts";

/** A file's text. Throws an Error of one line where it can't be read; `verb` says what it was for, as "draw". */
export async function readContent(file: string, verb: string): Promise<string> {
  return await readFile(file, "utf8").catch((error) => {
    const state = error.code === "ENOENT" ? "there is no such file; check the path" : oneLine(error);
    throw new Error(`Cannot ${verb} "${file}": ${state}`);
  });
}
