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
  // A pipe, a device or a link is written to itself, a plain file by way of a new one in its folder.
  const written = found && !found.isFile() ? file : folder;
  await access(written, constants.W_OK).catch((error) => {
    const state = error.code === "EACCES" ? `"${written}" may not be written to` : oneLine(error);
    throw new Error(`Cannot write "${file}": ${state}; choose another place`);
  });
}

/** The path itself, or the nearest folder above it that exists. */
async function nearestThere(wanted: string): Promise<string> {
  const above = path.dirname(wanted);
  return above === wanted || await lstatOrNull(wanted) ? wanted : await nearestThere(above);
}

const statOrNull = (name: string) => stat(name).catch(() => null);
const lstatOrNull = (name: string) => lstat(name).catch(() => null);

/** Whether the name belongs to a pipe, a device or a link, and not to a plain file. */
async function isSpecial(file: string): Promise<boolean> {
  return (await lstatOrNull(file))?.isFile() === false;
}

/** Throws a UsageError where there is a plain file of that name. A pipe or a device loses nothing by a write. */
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
 * Writes a file that is there whole or not at all; folders on the way are made where they are missing. A pipe, a device
 * or a link stays what it is and is written to. Throws an Error of one line where that fails.
 */
export async function writeWhole(file: string, content: string | Uint8Array): Promise<void> {
  await writeBy(file, (target) => writeFile(target, content));
}

/** Writes a file as `writeWhole` does, of pieces as they come, until `end`. */
export class PieceWriter {
  readonly #pieces = new PassThrough();
  readonly #written: Promise<void>;

  constructor(file: string) {
    this.#written = writeBy(file, (target) => pipeline(this.#pieces, createWriteStream(target)));
    // `end` throws the error; until then no more pieces are taken.
    this.#written.catch(() => this.#pieces.destroy());
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
    // Whether the removal fails is of no interest: the error before it says what is wrong.
    if (!special) await rm(target, { force: true }).catch(() => {});
    throw new Error(`Cannot write "${file}": ${oneLine(error)}; choose another place`);
  }
}

/** The part of a terminal that Progress needs. */
type Terminal = Pick<NodeJS.WriteStream, "isTTY" | "columns" | "write">;

export interface ProgressOptions {
  /** Nothing is shown earlier than this, since quick work needs no word. Default 0. */
  readonly afterMs?: number;
  readonly terminal?: Terminal;
  readonly now?: () => number;
}

/** A line on stderr that the next one writes over, if that is a terminal. A line that is too wide is cut. */
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
