import { createWriteStream } from "node:fs";
import { lstat, rename, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { PassThrough } from "node:stream";
import { pipeline } from "node:stream/promises";
import { oneLine, UsageError } from "./errors.ts";

/** So that a long run does not end with nowhere to write its record. */
export async function assertWritable(file: string): Promise<void> {
  const found = (name: string) => stat(name).catch(() => null);
  if (!(await found(path.dirname(path.resolve(file))))?.isDirectory()) {
    throw new Error(`Cannot write "${file}": there is no such folder; make it, or choose another one`);
  }
  if ((await found(file))?.isDirectory()) {
    throw new Error(`Cannot write "${file}": it is a folder, a file is wanted; choose another name`);
  }
}

/** So that nothing is overwritten which nobody said may be. A pipe or a device loses nothing. */
export async function assertNew(file: string): Promise<void> {
  if (!(await stat(file).catch(() => null))?.isFile()) return;
  throw new UsageError(`Cannot write "${file}": it is there already; give --force to replace it, or another name`);
}

/** Writes a file that is there whole or not at all; but what is no plain file (a pipe, a device, a link) stays what it is. */
export async function writeWhole(file: string, content: string | Uint8Array): Promise<void> {
  await writeBy(file, (target) => writeFile(target, content));
}

/** As `writeWhole`, of pieces as they come, until `end`. */
export class PieceWriter {
  readonly #pieces = new PassThrough();
  readonly #written: Promise<void>;

  constructor(file: string) {
    this.#written = writeBy(file, (target) => pipeline(this.#pieces, createWriteStream(target)));
    this.#written.catch(() => this.#pieces.destroy()); // `end` throws it.
  }

  write(piece: string): void {
    if (this.#pieces.writable) this.#pieces.write(piece);
  }

  /** Throws an Error of one line where the file could not be written. */
  async end(): Promise<void> {
    this.#pieces.end();
    await this.#written;
  }
}

async function writeBy(file: string, write: (target: string) => Promise<void>): Promise<void> {
  const existing = await lstat(file).catch(() => null);
  const special = existing !== null && !existing.isFile();
  const target = special ? file : `${file}.${process.pid}.part`;
  try {
    await write(target);
    if (!special) await rename(target, file);
  } catch (error) {
    if (!special) await rm(target, { force: true });
    throw new Error(`Cannot write "${file}": ${oneLine(error)}; choose another place`);
  }
}

/** Cells as text in columns; those of numbers are set to the right. */
export function columnsText(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  const align = (cell: string, i: number) => /^[-\d.]/.test(cell) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!);
  return rows.map((row) => row.map(align).join("  ").trimEnd()).join("\n");
}

/** A line on stderr that writes itself over, if that is a terminal; what its width has no room for is left out. */
export class Progress {
  #shown = "";
  show(line: string): void {
    if (!process.stderr.isTTY || line === this.#shown) return;
    this.#shown = line;
    process.stderr.write(`\r\x1b[K${line.slice(0, (process.stderr.columns || 80) - 1)}`);
  }
  clear(): void {
    if (this.#shown !== "") process.stderr.write("\r\x1b[K");
  }
}
