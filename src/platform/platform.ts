/**
 * The one file that knows Deno and Node; a browser bundle puts platform-browser.ts in its place. It is written with
 * `node:` built-ins, which both have.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { accessSync, constants, readdirSync, readFileSync } from "node:fs";
import * as fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import v8 from "node:v8";
import vm from "node:vm";
import { brotliDecompressSync, gunzipSync } from "node:zlib";

export { openFile } from "./platform-file.ts";

/** Whether this is a web page, where most functions of this file throw. */
export const isBrowser: boolean = false;
/** The system and its architecture by Node's names: "linux-x64", "darwin-arm64", "win32-x64". */
export const system: string = `${process.platform}-${process.arch}`;

/** How many threads run at once, at least 1. */
export function cpuCount(): number {
  return os.availableParallelism();
}

/** The value of an environment variable, or `undefined` where it is not set. */
export function getEnv(name: string): string | undefined {
  return process.env[name];
}

/** Sets an environment variable where native libraries see it too; `undefined` removes it. */
export function setEnv(name: string, value: string | undefined): void {
  if (value === undefined) delete process.env[name];
  else process.env[name] = value;
}

export interface PciDevice {
  /** The place on the bus, such as "0000:65:00.0". */
  readonly address: string;
  /** The ids of vendor and device, such as "0x10de:0x2684". */
  readonly model: string;
}

/** The display controllers on the PCI bus in the order of their addresses; none where the system isn't Linux. */
export function pciDisplayDevices(): PciDevice[] {
  const folder = "/sys/bus/pci/devices";
  const read = (address: string, file: string) => readFileSync(path.join(folder, address, file), "utf8").trim();
  try {
    return readdirSync(folder).sort()
      .filter((address) => read(address, "class").startsWith("0x03"))
      .map((address) => ({ address, model: `${read(address, "vendor")}:${read(address, "device")}` }));
  } catch {
    return [];
  }
}

let gc: (() => void) | undefined;

/** Makes V8 collect all garbage now. */
export function collectGarbage(): void {
  if (!gc) {
    v8.setFlagsFromString("--expose-gc");
    gc = vm.runInNewContext("gc") as NonNullable<typeof gc>;
  }
  gc();
}

/** Writes one line to stderr. */
export function note(line: string): void {
  console.error(line);
}

/** Shows a line on stderr, in place of the last one shown; "" shows none. Does nothing where stderr is no terminal. */
export function showProgress(line: string): void {
  const { isTTY, columns } = process.stderr;
  if (isTTY) process.stderr.write(`\r\x1b[K${line.slice(0, (columns || 80) - 1)}`);
}

/** This program's folder for files that can be fetched again. It may not exist yet. */
export function cacheFolder(): string {
  const base = process.platform === "win32"
    ? process.env.LOCALAPPDATA ?? path.join(os.homedir(), "AppData", "Local")
    : process.platform === "darwin"
    ? path.join(os.homedir(), "Library", "Caches")
    : expandHome(process.env.XDG_CACHE_HOME || "~/.cache");
  return path.join(base, "amusd");
}

/** The path with the user's own folder for a `~` that it begins with. */
export function expandHome(file: string): string {
  return /^~(?=[/\\]|$)/.test(file) ? path.join(os.homedir(), file.slice(1)) : file;
}

/** Loads the npm package `webgpu`, which is Dawn as a native module. Rejects where the package has no build. */
export function loadDawn(): Promise<typeof import("webgpu")> {
  return import("webgpu");
}

interface DenoLibrary {
  readonly symbols: Readonly<Record<string, (...args: unknown[]) => number>>;
}

/** Deno's global object, if this is Deno. Its type is written out, as the sources are checked with Node's types too. */
const deno = (globalThis as {
  Deno?: { dlopen(file: string, symbols: Readonly<Record<string, unknown>>): DenoLibrary };
}).Deno;

/**
 * Loads a shared library for the rest of the process's life, so that a later dlopen() of its soname finds it although
 * it lies on no search path. Throws an Error where it cannot be loaded.
 */
export function preloadLibrary(file: string): void {
  if (deno) {
    deno.dlopen(file, {});
    return;
  }
  // Node's only dlopen is for addons. It complains that the library is no addon and closes it again, but with NODELETE
  // the library stays.
  const RTLD_NODELETE = 0x1000;
  try {
    process.dlopen({ exports: {} }, file, os.constants.dlopen.RTLD_NOW | RTLD_NODELETE);
  } catch (error) {
    if (!String(error).includes("self-register")) throw error;
  }
}

const LIBC_CALLS = {
  memfd_create: { parameters: ["buffer", "u32"], result: "i32" },
  dup: { parameters: ["i32"], result: "i32" },
  dup2: { parameters: ["i32", "i32"], result: "i32" },
  pread: { parameters: ["i32", "buffer", "usize", "i64"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
};
let libc: DenoLibrary | undefined;

/**
 * Returns the result of `run`. Lines that native code writes to stderr meanwhile are dropped if they match `noise`; the
 * others are written afterwards. Elsewhere than under Deno on Linux all lines are written: Node cannot call the C
 * library.
 */
export function withoutNoise<T>(noise: RegExp, run: () => T): T {
  if (!deno || process.platform !== "linux") return run();
  libc ??= deno.dlopen("libc.so.6", LIBC_CALLS);
  const { memfd_create, dup, dup2, pread, close } = libc.symbols;
  const STDERR = 2;
  const caught = memfd_create!(new TextEncoder().encode("stderr\0"), 0);
  const stderr = dup!(STDERR);
  try {
    dup2!(caught, STDERR);
    return run();
  } finally {
    dup2!(stderr, STDERR);
    const bytes = new Uint8Array(65_536);
    const text = new TextDecoder().decode(bytes.subarray(0, Number(pread!(caught, bytes, bytes.length, 0))));
    close!(caught);
    close!(stderr);
    process.stderr.write(text.replace(noise, ""));
  }
}

export interface CommandResult {
  /** The exit status, or the reason why there is none: "ENOENT" where there is no such command, or "killed". */
  readonly status: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end with `env` added to the environment. Never rejects. */
export function runCommand(
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<CommandResult> {
  const options = { env: { ...process.env, ...env } };
  return new Promise((resolve) => {
    execFile(argv[0]!, argv.slice(1), options, (error, stdout, stderr) => {
      resolve({ status: error ? error.code ?? "killed" : 0, stdout, stderr });
    });
  });
}

/** The path of the Deno that runs this program; `undefined` under Node. */
export const denoCommand: string | undefined = "Deno" in globalThis ? process.execPath : undefined;

export const joinPath: (...parts: string[]) => string = path.join;
export const folderOf: (file: string) => string = path.dirname;

/** Whether a folder of PATH has a command of this name that the user may run. */
export function findCommand(name: string): boolean {
  return (process.env.PATH ?? "").split(path.delimiter).some((folder) => {
    try {
      accessSync(path.join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** The SHA-256 in hexadecimal; a text is hashed as UTF-8. */
export function sha256(content: Uint8Array | string): string {
  return createHash("sha256").update(content).digest("hex");
}

export function readFile(file: string): Promise<Uint8Array> {
  return fs.readFile(file);
}

/** Writes a file, and makes the folders on the way to it. */
export async function writeFile(file: string, bytes: Uint8Array): Promise<void> {
  await fs.mkdir(path.dirname(file), { recursive: true });
  await fs.writeFile(file, bytes);
}

/** Writes a file, whole or not at all, and makes the folders on the way to it. */
export async function replaceFile(file: string, bytes: Uint8Array): Promise<void> {
  const part = `${file}.${process.pid}.part`;
  try {
    await writeFile(part, bytes);
    await fs.rename(part, file);
  } catch (error) {
    await fs.rm(part, { force: true });
    throw error;
  }
}

/** Whether there is a plain file at this path. */
export async function isFile(path: string): Promise<boolean> {
  return await fs.stat(path).then((stat) => stat.isFile(), () => false);
}

/** The size of all files below a folder in bytes. A file that goes away meanwhile counts as 0. */
export async function folderBytes(folder: string): Promise<number> {
  const files = await listFiles(folder).catch(() => []);
  const sizes = await Promise.all(files.map((file) => fs.stat(file).then((stat) => stat.size, () => 0)));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** How long ago a file or folder was changed, in ms; Infinity where there is no such path. */
export async function ageMs(path: string): Promise<number> {
  return await fs.stat(path).then((stat) => Date.now() - stat.mtimeMs, () => Infinity);
}

/** The names of the files and folders in a folder; `null` where the path is no folder. */
export async function listFolder(path: string): Promise<string[] | null> {
  const isFolder = await fs.stat(path).then((stat) => stat.isDirectory(), () => false);
  return isFolder ? await fs.readdir(path) : null;
}

/** The paths of all files below a folder. Rejects where there is no such folder. */
export async function listFiles(folder: string): Promise<string[]> {
  const entries = await fs.readdir(folder, { withFileTypes: true });
  const found = await Promise.all(entries.map((entry) => {
    const file = path.join(folder, entry.name);
    return entry.isDirectory() ? listFiles(file) : [file];
  }));
  return found.flat();
}

/** Makes a folder with a new name that begins with "tmp-" in `parent`, which is made where it is missing. */
export async function makeTempFolder(parent: string): Promise<string> {
  await fs.mkdir(parent, { recursive: true });
  return await fs.mkdtemp(path.join(parent, "tmp-"));
}

export function renameFolder(from: string, to: string): Promise<void> {
  return fs.rename(from, to);
}

/** Removes a folder with all that is in it; a missing folder is fine. */
export function removeFolder(folder: string): Promise<void> {
  return fs.rm(folder, { recursive: true, force: true });
}

export function gunzip(bytes: Uint8Array): Uint8Array {
  return gunzipSync(bytes);
}

export function brotliDecompress(bytes: Uint8Array): Uint8Array {
  return brotliDecompressSync(bytes);
}
