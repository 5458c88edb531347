import { folderOf, getEnv, isFile, joinPath, listFolder, preloadLibrary, readFile } from "../../platform/platform.ts";

const LOADER = "libvulkan.so.1";

/**
 * Whether this Linux has a Vulkan loader and the manifest of a driver. This is asked before Dawn is, because Dawn
 * writes to the terminal where it finds no driver. The folders are those in which the loader itself looks
 * (Vulkan-Loader, LoaderDriverInterface.md, "Driver Discovery on Linux").
 */
export async function hasVulkanDriver(): Promise<boolean> {
  if (!hasLoader()) return false;
  const named = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES", "VK_ADD_DRIVER_FILES"].some((name) => getEnv(name));
  if (named) return true;
  const home = getEnv("HOME") ?? "/";
  const folders = [
    getEnv("XDG_CONFIG_HOME") || joinPath(home, ".config"),
    ...(getEnv("XDG_CONFIG_DIRS") || "/etc/xdg").split(":"),
    "/usr/local/etc",
    "/etc",
    getEnv("XDG_DATA_HOME") || joinPath(home, ".local", "share"),
    ...(getEnv("XDG_DATA_DIRS") || "/usr/local/share:/usr/share").split(":"),
  ];
  for (const folder of folders) {
    const names = await listFolder(joinPath(folder, "vulkan", "icd.d")).catch(() => null);
    if (names?.some((name) => name.endsWith(".json"))) return true;
  }
  return false;
}

function hasLoader(): boolean {
  try {
    preloadLibrary(LOADER);
    return true;
  } catch {
    return false;
  }
}

/** Rejects with an Error of one line unless `file` is a driver's manifest, and its library and a loader are there. */
export async function assertManifest(file: string): Promise<void> {
  const fail = (reason: string) => {
    throw new Error(`Cannot use the Vulkan driver "${file}": ${reason}`);
  };
  const bytes = await readFile(file).catch((error) => fail(`${error.code}; give the path of its manifest (.json)`));
  let library: unknown;
  try {
    library = JSON.parse(new TextDecoder().decode(bytes as Uint8Array)).ICD.library_path;
  } catch {
    // A manifest without this member is refused below.
  }
  if (typeof library !== "string") return fail("it has no ICD.library_path; give a driver's manifest (.json)");
  // A bare name without a "/" is for the dynamic linker to find.
  const path = library.startsWith("/") ? library : joinPath(folderOf(file), library);
  if (library.includes("/") && !await isFile(path)) {
    fail(`it names the library "${path}", which is not there; install the driver again, or choose another one`);
  }
  if (!hasLoader()) fail(`this machine has no Vulkan loader (${LOADER}); install it (Debian: apt install libvulkan1)`);
}
