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

/** Environment variables that a driver or its loader reads when it is asked for adapters. */
export type Environment = Readonly<Record<string, string>>;

/** A Vulkan driver for the CPU in this user's cache folder, and what it takes to use it. */
export interface SoftwareAdapter {
  /** Makes a Vulkan loader take this driver and no other. */
  readonly environment: Environment;
  /** Paths of the shared libraries to load before Dawn looks for the driver, in this order. */
  readonly libraries: readonly string[];
}

/** What a driver's folder has to hold: SHA-256 in hexadecimal by file name. */
export type Hashes = Readonly<Record<string, string>>;

/** Makes a Vulkan loader take the driver of one manifest. Newer loaders know VK_DRIVER_FILES, older ones the other. */
export function environmentOf(manifest: string): Environment {
  return { VK_DRIVER_FILES: manifest, VK_ICD_FILENAMES: manifest };
}

/** Whether all files are there, and are what they were: native code is run only if it is exactly this. */
export async function isIntact(folder: string, hashes: Hashes): Promise<boolean> {
  for (const [name, hash] of Object.entries(hashes)) {
    const bytes = await readFile(joinPath(folder, name)).catch(() => null);
    if (!bytes || sha256(bytes) !== hash) return false;
  }
  return true;
}

/** A folder of a process that was killed lies there; a running one would not have needed a day. */
const LEFTOVER_MS = 24 * 3600 * 1000;

/**
 * Puts a folder in place that is there whole or not at all, also where several processes do so at once. `fill` writes
 * its files into `ready`, and may work in `temp`; `isWhole` judges a folder that is there already.
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
    // This fails where there is such a folder: another process's, which is as good, or a broken one, which makes room.
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
    // What can't be removed is another user's or process's, and in nobody's way.
    if (name.startsWith("tmp-") && await ageMs(path) > LEFTOVER_MS) await removeFolder(path).catch(() => {});
  }
}
