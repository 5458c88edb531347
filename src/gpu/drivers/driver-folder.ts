import {
  ageMs,
  folderOf,
  joinPath,
  listFolder,
  makeTempFolder,
  readFile,
  removeFolder,
  renameFolder,
  sha256,
} from "../../platform/platform.ts";

/** Environment variables that a driver or its loader reads when Dawn asks for adapters. */
export type Environment = Readonly<Record<string, string>>;

/** How a process uses a Vulkan driver for the CPU that lies in this user's cache folder. */
export interface SoftwareAdapter {
  /** Variables that make a Vulkan loader take this driver and no other. */
  readonly environment: Environment;
  /** Paths of the shared libraries to load before Dawn looks for the driver, in this order. */
  readonly libraries: readonly string[];
}

/** The files that a driver's folder has to hold: a SHA-256 in hexadecimal for each file name. */
export type Hashes = Readonly<Record<string, string>>;

/**
 * Variables that make a Vulkan loader take the driver of one manifest. Newer loaders read VK_DRIVER_FILES, older ones
 * VK_ICD_FILENAMES.
 */
export function environmentOf(manifest: string): Environment {
  return { VK_DRIVER_FILES: manifest, VK_ICD_FILENAMES: manifest };
}

/** Whether the folder has all files and each has its hash. Native code with another hash must not run. */
export async function isIntact(folder: string, hashes: Hashes): Promise<boolean> {
  for (const [name, hash] of Object.entries(hashes)) {
    const bytes = await readFile(joinPath(folder, name)).catch(() => null);
    if (!bytes || sha256(bytes) !== hash) return false;
  }
  return true;
}

/** A temporary folder that is older than this, in ms, is of a process that was killed: no process works for a day. */
const LEFTOVER_MS = 24 * 3600 * 1000;

/**
 * Puts a folder in place, whole or not at all, even if several processes do so at once. `fill` writes the files into
 * the folder `ready` and may work in `temp`. `isWhole` tells whether a folder that is there already can stay. Rejects
 * with the error of `fill`, or of the file system.
 */
export async function installFolder(
  folder: string,
  fill: (ready: string, temp: string) => Promise<void>,
  isWhole: () => Promise<boolean>,
): Promise<void> {
  const cache = folderOf(folder);
  const temp = await makeTempFolder(cache);
  try {
    await removeLeftovers(cache);
    const ready = joinPath(temp, "ready");
    await fill(ready, temp);
    // This fails where there is a folder already. If another process put it there, it is as good. If it is broken, it
    // makes room.
    await renameFolder(ready, folder).catch(async () => {
      if (await isWhole()) return;
      await renameFolder(folder, joinPath(temp, "broken"));
      await renameFolder(ready, folder);
    });
  } finally {
    await removeFolder(temp);
  }
}

async function removeLeftovers(cache: string): Promise<void> {
  for (const name of await listFolder(cache) ?? []) {
    const path = joinPath(cache, name);
    // A folder that can't be removed belongs to another user or process, and is in nobody's way.
    if (name.startsWith("tmp-") && await ageMs(path) > LEFTOVER_MS) await removeFolder(path).catch(() => {});
  }
}
