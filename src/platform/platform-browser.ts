/**
 * Stands in for platform.ts in a browser bundle. A function for which a web page has no means throws an Error, so
 * callers ask `isBrowser` first.
 */
import type * as native from "./platform.ts";

export const isBrowser: boolean = true;
export const system: string = "browser";
export const denoCommand: string | undefined = undefined;

export function cpuCount(): number {
  return navigator.hardwareConcurrency;
}

export function getEnv(_name: string): string | undefined {
  return undefined;
}

/** Does nothing: a browser collects garbage by itself. */
export function collectGarbage(): void {}

export function note(line: string): void {
  console.warn(line);
}

export const setEnv: typeof native.setEnv = missing("setEnv");
export const pciDisplayDevices: typeof native.pciDisplayDevices = missing("pciDisplayDevices");
export const cacheFolder: typeof native.cacheFolder = missing("cacheFolder");
export const expandHome: typeof native.expandHome = missing("expandHome");
export const loadDawn: typeof native.loadDawn = missing("loadDawn");
export const preloadLibrary: typeof native.preloadLibrary = missing("preloadLibrary");
export const withoutNoise: typeof native.withoutNoise = missing("withoutNoise");
export const runCommand: typeof native.runCommand = missing("runCommand");
export const joinPath: typeof native.joinPath = missing("joinPath");
export const showProgress: typeof native.showProgress = missing("showProgress");
export const folderBytes: typeof native.folderBytes = missing("folderBytes");
export const folderOf: typeof native.folderOf = missing("folderOf");
export const findCommand: typeof native.findCommand = missing("findCommand");
export const sha256: typeof native.sha256 = missing("sha256");
export const isFile: typeof native.isFile = missing("isFile");
export const ageMs: typeof native.ageMs = missing("ageMs");
export const openFile: typeof native.openFile = missing("openFile");
export const readFile: typeof native.readFile = missing("readFile");
export const writeFile: typeof native.writeFile = missing("writeFile");
export const replaceFile: typeof native.replaceFile = missing("replaceFile");
export const listFolder: typeof native.listFolder = missing("listFolder");
export const listFiles: typeof native.listFiles = missing("listFiles");
export const makeTempFolder: typeof native.makeTempFolder = missing("makeTempFolder");
export const renameFolder: typeof native.renameFolder = missing("renameFolder");
export const removeFolder: typeof native.removeFolder = missing("removeFolder");
export const gunzip: typeof native.gunzip = missing("gunzip");
export const brotliDecompress: typeof native.brotliDecompress = missing("brotliDecompress");

function missing(what: string): () => never {
  return () => {
    throw new Error(`Cannot do "${what}": a browser has no such thing; run under Deno or Node`);
  };
}
