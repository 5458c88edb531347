import { constants, createWriteStream } from "node:fs";
import { access, lstat, mkdir, rename, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { PassThrough } from "node:stream";
import { pipeline } from "node:stream/promises";
import { oneLine, UsageError } from "./errors.ts";

/**
 * Throws an Error of one line where the file can't be written, so that a long run does not end with nowhere to write
 * its record. Folders on the way that are missing are made with the file.
 */
async function assertWritable(file: string): Promise<void> {
  const found = await statOrNull(file);
  if (found?.isDirectory()) {
    throw new Error(`Cannot write "${file}": it is a folder, a file is wanted; choose another name`);
  }
  const folder = await nearestThere(path.dirname(path.resolve(file)));
  if (!(await statOrNull(folder))?.isDirectory()) {
    throw new Error(`Cannot write "${file}": on the way "${folder}" is no folder; choose another place`);
  }
  // What is no plain file is written in its place, other files by way of a new one in their folder.
  const written = found && !found.isFile() ? file : folder;
  await access(written, constants.W_OK).catch((error) => {
    const state = error.code === "EACCES" ? `"${written}" may not be written to` : oneLine(error);
    throw new Error(`Cannot write "${file}": ${state}; choose another place`);
  });
}

/** The path itself, or the first folder above it that there is. */
async function nearestThere(wanted: string): Promise<string> {
  const above = path.dirname(wanted);
  return above === wanted || await lstatOrNull(wanted) ? wanted : await nearestThere(above);
}

const statOrNull = (name: string) => stat(name).catch(() => null);
const lstatOrNull = (name: string) => lstat(name).catch(() => null);

/** Whether there is something by that name which is no plain file: a pipe, a device, a link. */
async function isSpecial(file: string): Promise<boolean> {
  return (await lstatOrNull(file))?.isFile() === false;
}

/** So that nothing is overwritten which nobody said may be. A pipe or a device loses nothing. */
async function assertNew(file: string): Promise<void> {
  if (!(await statOrNull(file))?.isFile()) return;
  throw new UsageError(`Cannot write "${file}": it is there already; give --force to replace it, or another name`);
}

/**
 * To be called before a long run for each file that it will write. Throws an Error of one line where the file can't be
 * written, and a UsageError where it is there already and `force` does not say that it may be replaced.
 */
export async function prepareOutput(file: string, force: boolean): Promise<void> {
  await assertWritable(file);
  if (!force) await assertNew(file);
}

/**
 * Writes a file that is there whole or not at all, in folders that are made where they are missing; but what is no
 * plain file (a pipe, a device, a link) stays what it is. Throws an Error of one line where that fails.
 */
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
  const special = await isSpecial(file);
  const target = special ? file : `${file}.${process.pid}.part`;
  try {
    if (!special) await mkdir(path.dirname(file), { recursive: true });
    await write(target);
    if (!special) await rename(target, file);
  } catch (error) {
    if (!special) await rm(target, { force: true }).catch(() => {}); // The error before it says what is wrong.
    throw new Error(`Cannot write "${file}": ${oneLine(error)}; choose another place`);
  }
}

/** What Progress needs of a terminal. */
type Terminal = Pick<NodeJS.WriteStream, "isTTY" | "columns" | "write">;

export interface ProgressOptions {
  /** Nothing is shown before: what is done by then needs no word. Default 0. */
  readonly afterMs?: number;
  readonly terminal?: Terminal;
  readonly now?: () => number;
}

/** A line on stderr that writes itself over, if that is a terminal; what its width has no room for is left out. */
export class Progress {
  readonly #terminal: Terminal;
  readonly #now: () => number;
  readonly #fromMs: number;
  #shown = "";

  constructor({ afterMs = 0, terminal = process.stderr, now = () => performance.now() }: ProgressOptions = {}) {
    this.#terminal = terminal;
    this.#now = now;
    this.#fromMs = now() + afterMs;
  }

  show(line: string): void {
    if (!this.#terminal.isTTY || line === this.#shown || this.#now() < this.#fromMs) return;
    this.#shown = line;
    this.#terminal.write(`\r\x1b[K${line.slice(0, (this.#terminal.columns || 80) - 1)}`);
  }

  clear(): void {
    if (this.#shown !== "") this.#terminal.write("\r\x1b[K");
    this.#shown = "";
  }
}
