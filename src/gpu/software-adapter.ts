import type { Environment } from "./dawn.ts";
import {
  brotliDecompress,
  cacheFolder,
  denoCommand,
  gunzip,
  joinPath,
  listFiles,
  makeTempFolder,
  note,
  readFile,
  removeFolder,
  renameFolder,
  runCommand,
  writeFile,
} from "./platform.ts";

/** The npm package that carries SwiftShader, a Vulkan driver for the CPU, and a Vulkan loader; for linux-x64 only. */
const PACKAGE = "@sparticuz/chromium";
const VERSION = "147.0.0";
const ARCHIVE = "bin/swiftshader.tar.br";
const REMEDY =
  "install a Vulkan driver (Debian and Ubuntu: apt install mesa-vulkan-drivers, 23 or later) or go online once";

const LOADER = "libvulkan.so.1";
const DRIVER_MANIFEST = "vk_swiftshader_icd.json";
/** What is taken out of the archive, with its SHA-256: native code is run only if it is exactly this. */
const FILES: Readonly<Record<string, string>> = {
  "libvk_swiftshader.so": "5b9e8591c7c2d1c9618c3ad485d0cdffb81f5f1ffd6a982fdb6578c2d8d3213e",
  [LOADER]: "fe17a77c1f2df38d3b6a935140f746fd80aac564bb44eb3e4f6b75a504295a41",
  [DRIVER_MANIFEST]: "c9eef28b6b984fec220ef0abfecc40b502d46946706e47bfe97707027cb818bd",
};

export interface SoftwareAdapter {
  /** Makes a Vulkan loader take this driver and no other. */
  readonly environment: Environment;
  /** The path of a Vulkan loader, for a machine that has none. */
  readonly loader: string;
}

export interface SoftwareAdapterOptions {
  /** Where it is kept; default: the user's cache folder. */
  readonly cache?: string;
  /** Gets the bytes of the package's archive, with `folder` to work in; default: by npm, else by Deno. */
  readonly fetchArchive?: (folder: string) => Promise<Uint8Array>;
}

/**
 * Puts SwiftShader in place for this user, without root, unless it is there already. One line on stderr says so.
 * Several processes may do so at once: the folder appears whole or not at all. Throws where it can be neither found
 * nor fetched.
 */
export async function provideSoftwareAdapter(options: SoftwareAdapterOptions = {}): Promise<SoftwareAdapter> {
  const { cache = cacheFolder(), fetchArchive = fetchArchiveFromRegistry } = options;
  const folder = joinPath(cache, `swiftshader-${VERSION}`);
  if (!await isIntact(folder)) {
    note(
      `No Vulkan driver that Dawn takes: getting SwiftShader (67 MB, once, slow) from npm's ${PACKAGE} into ${folder}`,
    );
    await install(folder, cache, fetchArchive).catch((error) => {
      throw new Error(`Cannot put a software adapter into "${folder}": ${firstLine(error.message)}; ${REMEDY}`);
    });
  }
  const manifest = joinPath(folder, DRIVER_MANIFEST);
  // VK_DRIVER_FILES has precedence in newer loaders, older ones know VK_ICD_FILENAMES only.
  return { environment: { VK_DRIVER_FILES: manifest, VK_ICD_FILENAMES: manifest }, loader: joinPath(folder, LOADER) };
}

async function install(
  folder: string,
  cache: string,
  fetchArchive: (folder: string) => Promise<Uint8Array>,
): Promise<void> {
  const temp = await makeTempFolder(cache);
  try {
    const files = untar(brotliDecompress(await fetchArchive(temp)));
    const ready = joinPath(temp, "ready");
    for (const name of Object.keys(FILES)) {
      const bytes = files.get(name);
      if (!bytes) throw new Error(`${ARCHIVE} has no ${name}`);
      await writeFile(joinPath(ready, name), bytes);
    }
    if (!await isIntact(ready)) throw new Error(`${ARCHIVE} is not that of ${PACKAGE}@${VERSION}: SHA-256 differs`);
    // This fails where there is such a folder: another process's, which is as good, or a broken one, which makes room.
    await renameFolder(ready, folder).catch(async () => {
      if (await isIntact(folder)) return;
      await renameFolder(folder, joinPath(temp, "broken"));
      await renameFolder(ready, folder);
    });
  } finally {
    await removeFolder(temp);
  }
}

async function isIntact(folder: string): Promise<boolean> {
  for (const [name, sha256] of Object.entries(FILES)) {
    const bytes = await readFile(joinPath(folder, name)).catch(() => null);
    if (!bytes || await sha256Of(bytes) !== sha256) return false;
  }
  return true;
}

async function sha256Of(bytes: Uint8Array): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new Uint8Array(bytes)));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * By npm, or by Deno where there is no npm: they know the user's registry, proxy and credentials, and check what they
 * get.
 */
async function fetchArchiveFromRegistry(folder: string): Promise<Uint8Array> {
  const spec = `${PACKAGE}@${VERSION}`;
  const npm = await runCommand([
    "npm",
    "pack",
    spec,
    "--loglevel=error",
    "--fetch-retries=0",
    "--pack-destination",
    folder,
  ]);
  if (npm.status === 0) {
    const [tarball] = await listFiles(folder);
    const archive = tarball && untar(gunzip(await readFile(tarball))).get(`package/${ARCHIVE}`);
    if (archive) return archive;
  }
  const failures = [`npm pack ${spec}: ${firstLine(npm.stderr) || npm.status}`];
  if (denoCommand) {
    const argv = [
      denoCommand,
      "cache",
      "--quiet",
      "--no-config",
      "--no-lock",
      "--node-modules-dir=none",
      `npm:${spec}`,
    ];
    const deno = await runCommand(argv, { DENO_DIR: folder, NO_COLOR: "1" });
    const archive = (await listFiles(folder)).find((file) => file.endsWith(joinPath(PACKAGE, VERSION, ARCHIVE)));
    if (archive) return await readFile(archive);
    failures.push(`deno cache: ${firstLine(deno.stderr) || deno.status}`);
  }
  throw new Error(failures.join(", "));
}

function firstLine(text: string): string {
  return text.trim().split("\n")[0]!;
}

/** The files of a tar archive by their paths. Throws if it is cut short. */
function untar(tar: Uint8Array): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  const text = (start: number, length: number) => {
    const bytes = tar.subarray(start, start + length);
    const end = bytes.indexOf(0);
    return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
  };
  // A header of 512 bytes (POSIX ustar: name at 0, octal size at 124, type at 156), then the content, padded to 512.
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0;) {
    const size = parseInt(text(at + 124, 12), 8);
    const start = at + 512;
    if (!(start + size <= tar.length)) throw new Error("a tar archive is cut short");
    const type = tar[at + 156];
    if (type === 0 || type === 48) files.set(text(at, 100), tar.subarray(start, start + size));
    at = start + Math.ceil(size / 512) * 512;
  }
  return files;
}
