import { environmentOf, type Hashes, installFolder, isIntact, type SoftwareAdapter } from "./driver-folder.ts";
import { firstLine } from "../../util/text.ts";
import {
  brotliDecompress,
  cacheFolder,
  denoCommand,
  gunzip,
  joinPath,
  listFiles,
  note,
  readFile,
  runCommand,
  writeFile,
} from "../../platform/platform.ts";

/** This npm package has SwiftShader, which is a Vulkan driver for the CPU, and a Vulkan loader, for linux-x64 only. */
const PACKAGE = "@sparticuz/chromium";
const VERSION = "147.0.0";
const ARCHIVE = "bin/swiftshader.tar.br";

const LOADER = "libvulkan.so.1";
const DRIVER_MANIFEST = "vk_swiftshader_icd.json";
/** The files that are taken out of the archive. */
const HASHES: Hashes = {
  "libvk_swiftshader.so": "5b9e8591c7c2d1c9618c3ad485d0cdffb81f5f1ffd6a982fdb6578c2d8d3213e",
  [LOADER]: "fe17a77c1f2df38d3b6a935140f746fd80aac564bb44eb3e4f6b75a504295a41",
  [DRIVER_MANIFEST]: "c9eef28b6b984fec220ef0abfecc40b502d46946706e47bfe97707027cb818bd",
};

export interface SwiftShaderOptions {
  /** The folder in which the driver's folder is kept; default: the user's cache folder. */
  readonly cache?: string;
  /** Gives the bytes of the package's archive, and may work in `folder`; default: by npm, else by Deno. */
  readonly fetchArchive?: (folder: string) => Promise<Uint8Array>;
  /** Why SwiftShader is fetched, for the line on stderr. */
  readonly why?: string;
}

/**
 * Puts SwiftShader in place for this user, without root, unless it is there already. One line on stderr says so.
 * Several processes may do this at once. Rejects with an Error where it can be neither found nor fetched.
 */
export async function provideSwiftShader(options: SwiftShaderOptions = {}): Promise<SoftwareAdapter> {
  const { cache = cacheFolder(), fetchArchive = fetchArchiveFromRegistry, why } = options;
  const folder = joinPath(cache, `swiftshader-${VERSION}`);
  const isWhole = () => isIntact(folder, HASHES);
  if (!await isWhole()) {
    const reason = why === undefined ? "" : `: ${why}`;
    note(`Getting SwiftShader, a Vulkan driver for the CPU (67 MB, once), by npm into ${folder}${reason}`);
    await installFolder(folder, async (ready, temp) => {
      const files = untar(brotliDecompress(await fetchArchive(temp)));
      for (const name of Object.keys(HASHES)) {
        const bytes = files.get(name);
        if (!bytes) throw new Error(`${ARCHIVE} has no ${name}`);
        await writeFile(joinPath(ready, name), bytes);
      }
      if (!await isIntact(ready, HASHES)) {
        throw new Error(`${ARCHIVE} is not that of ${PACKAGE}@${VERSION}: SHA-256 differs`);
      }
    }, isWhole);
  }
  return { environment: environmentOf(joinPath(folder, DRIVER_MANIFEST)), libraries: [joinPath(folder, LOADER)] };
}

/**
 * Fetches the archive by npm, or by Deno where npm fails: both know the user's registry, proxy and credentials, and
 * check the package's hash.
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

/** The files of a tar archive by their paths. Throws an Error if the archive is cut short. */
function untar(tar: Uint8Array): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  const text = (start: number, length: number) => {
    const bytes = tar.subarray(start, start + length);
    const end = bytes.indexOf(0);
    return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
  };
  // Each file is a header of 512 bytes (POSIX ustar: name at 0, octal size at 124, type at 156), then its content,
  // which is padded to a multiple of 512 bytes.
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
