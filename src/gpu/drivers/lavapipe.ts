import { environmentOf, type Hashes, installFolder, isIntact, type SoftwareAdapter } from "./driver-folder.ts";
import { readElf } from "./elf.ts";
import {
  ageMs,
  cacheFolder,
  type CommandResult,
  folderBytes,
  joinPath,
  listFiles,
  listFolder,
  note,
  readFile,
  replaceFile,
  runCommand,
  sha256,
  showProgress,
  system,
  writeFile,
} from "../../platform/platform.ts";

/** These packages of Debian and Ubuntu have lavapipe, Mesa's Vulkan driver for the CPU, and a Vulkan loader. */
const PACKAGES = ["mesa-vulkan-drivers", "libvulkan1"];
const DRIVER = "libvulkan_lvp.so";
const LOADER = "libvulkan.so.1";
const MANIFEST = "lvp_icd.json";
/** This file has the hashes of all others, in the order in which they are loaded. It is written last. */
const HASHES = "hashes.json";

/** The oldest version that Dawn takes: Mesa 22.3 lacks shaderUniformBufferArrayDynamicIndexing and its like. */
const OLDEST_MESA = 23;
/** Mesa is 22.3 in this release of Debian, and 25 in its backports. */
const BACKPORTED = "bookworm";
/** Dawn and its host have loaded these libraries before they look for a driver, so the machine's own have to serve. */
const MACHINES_OWN = /^(libc6|libgcc-s1|gcc-\d+-base|libstdc\+\+6)_/;
/** A release without a Mesa that Dawn takes may get one some day, so APT is asked again after this time, in ms. */
const ASK_AGAIN_MS = 24 * 3600 * 1000;

/** The time between two looks at how much was fetched, in ms. */
const PROGRESS_MS = 300;

export interface LavapipeOptions {
  /** The folder in which the driver's folder is kept; default: the user's cache folder. */
  readonly cache?: string;
  /** Runs APT's commands; default: `runCommand`, which runs this machine's. */
  readonly run?: typeof runCommand;
}

/** Thrown where APT has answered and has no lavapipe that Dawn takes: asking again soon is of no use. */
class UnavailableError extends Error {}

/**
 * Puts lavapipe and all libraries that it needs in place for this user, without root, unless they are there already.
 * The machine's own APT fetches them, as it knows the user's sources and proxy and checks signatures; its lists and
 * packages go into a folder of their own. One line on stderr says so. Several processes may do this at once. Rejects
 * with an Error where lavapipe can be neither found nor fetched.
 */
export async function provideLavapipe(options: LavapipeOptions = {}): Promise<SoftwareAdapter> {
  const { cache = cacheFolder(), run = runCommand } = options;
  const release = await readRelease();
  const folder = joinPath(cache, `lavapipe-${release.name}-${system}`);
  let hashes = await readHashes(folder);
  if (!hashes) {
    const unavailable = `${folder}.unavailable`;
    if (await ageMs(unavailable) < ASK_AGAIN_MS) throw new UnavailableError(textOf(await readFile(unavailable)));
    const isWhole = async () => await readHashes(folder) !== null;
    await installFolder(
      folder,
      (ready, temp) => new AptFetch(temp, run).fetch(ready, folder, release.codename).finally(() => showProgress("")),
      isWhole,
    )
      .catch(async (error) => {
        if (error instanceof UnavailableError) {
          await replaceFile(unavailable, new TextEncoder().encode(error.message)).catch(() => {});
        }
        throw error;
      });
    hashes = await readHashes(folder);
    if (!hashes) throw new Error(`"${folder}" has changed while it was read; run it again`);
  }
  const libraries = Object.keys(hashes).filter((name) => name !== MANIFEST).map((name) => joinPath(folder, name));
  return { environment: environmentOf(joinPath(folder, MANIFEST)), libraries };
}

/** The hashes of the folder's files; `null` where the folder is missing, or where a file is missing or has changed. */
async function readHashes(folder: string): Promise<Hashes | null> {
  try {
    const hashes: unknown = JSON.parse(textOf(await readFile(joinPath(folder, HASHES))));
    const entries = Object.entries(hashes as Hashes);
    if (entries.some(([name, hash]) => name.includes("/") || typeof hash !== "string")) return null;
    const isWhole = [DRIVER, MANIFEST].every((name) => name in (hashes as Hashes));
    return isWhole && await isIntact(folder, hashes as Hashes) ? hashes as Hashes : null;
  } catch {
    return null;
  }
}

interface Release {
  /** A part of the folder's name, such as "debian-12": a cache may be shared with other machines or with containers. */
  readonly name: string;
  readonly codename: string | undefined;
}

async function readRelease(): Promise<Release> {
  const text = textOf(await readFile("/etc/os-release").catch(() => new Uint8Array()));
  const value = (key: string) => new RegExp(`^${key}="?([\\w.-]+)"?$`, "m").exec(text)?.[1];
  return { name: `${value("ID") ?? "linux"}-${value("VERSION_ID") ?? "rolling"}`, codename: value("VERSION_CODENAME") };
}

/** A line of APT's configuration. The last line of a key counts, but a key that ends in "::" has a list of values. */
type Setting = readonly [key: string, value: string];

/** One use of the machine's APT, which writes nothing outside the folder `temp`. */
class AptFetch {
  readonly #temp: string;
  readonly #run: typeof runCommand;
  readonly #config: string;

  constructor(temp: string, run: typeof runCommand) {
    this.#temp = temp;
    this.#run = run;
    this.#config = joinPath(temp, "apt.conf");
  }

  /**
   * Fetches the packages and leaves the driver in `ready`. The line on stderr names `folder`, the driver's later place.
   */
  async fetch(ready: string, folder: string, codename: string | undefined): Promise<void> {
    const settings = await this.#settings();
    const backports = codename === BACKPORTED ? await this.#addBackports(settings, codename) : null;
    await writeFile(this.#config, new TextEncoder().encode(configText(settings)));
    for (const name of ["state/lists/partial", "cache/archives/partial", "log"]) {
      await writeFile(joinPath(this.#temp, name, ".keep"), new Uint8Array());
    }
    const updated = await this.#apt("apt-get", "-q", "update");
    const install = ["-y", "-qq", "--no-install-recommends", ...backports ? ["-t", backports] : [], "install"];
    const listed = await this.#apt("apt-get", "--print-uris", ...install, ...PACKAGES);
    // APT prints a line for each package: 'URI' file-name bytes hash.
    const packages = [...listed.stdout.matchAll(/^'.*?' (\S+) (\d+) /gm)]
      .map(([, name, bytes]) => ({ name: decodeURIComponent(name!), bytes: Number(bytes) }));
    const mesa = packages.map(({ name }) => /^mesa-vulkan-drivers_(?:\d+:)?(\d+)/.exec(name)?.[1]).find(Boolean);
    if (mesa === undefined) {
      const failure = complaint(updated);
      if (failure) throw new Error(`apt-get update: ${failure}`);
      throw new UnavailableError(`this machine's APT has no ${PACKAGES[0]}: ${complaint(listed) || "not found"}`);
    }
    if (Number(mesa) < OLDEST_MESA) {
      throw new UnavailableError(`this machine's APT has Mesa ${mesa}, and Dawn takes ${OLDEST_MESA} or later`);
    }
    const megabytes = Math.ceil(packages.reduce((sum, { bytes }) => sum + bytes, 0) / 1e6);
    note(`Getting lavapipe, a Vulkan driver for the CPU (${megabytes} MB, once), by APT into ${folder}`);
    let isFetching = true;
    const timer = setInterval(async () => {
      const done = Math.floor(await folderBytes(joinPath(this.#temp, "cache", "archives")) / 1e6);
      if (isFetching) showProgress(`fetching lavapipe: ${done} of ${megabytes} MB`);
    }, PROGRESS_MS);
    const fetched = await this.#apt("apt-get", "--download-only", ...install, ...PACKAGES)
      .finally(() => clearInterval(timer));
    isFetching = false;
    if (fetched.status !== 0) throw new Error(`apt-get install --download-only: ${complaint(fetched)}`);
    await this.#unpack(ready);
  }

  async #apt(command: string, ...args: string[]): Promise<CommandResult> {
    return await this.#run([command, ...args], { APT_CONFIG: this.#config, LC_ALL: "C" });
  }

  /** APT's own settings, without those that would run commands, and with all folders that it writes to in `temp`. */
  async #settings(): Promise<Setting[]> {
    const dump = await this.#run(["apt-config", "dump"], { LC_ALL: "C" });
    if (dump.status === "ENOENT") throw new Error("this machine has no APT");
    if (dump.status !== 0) throw new Error(`apt-config dump: ${complaint(dump)}`);
    const kept = [...dump.stdout.matchAll(/^(\S+) "(.+)";$/gm)].map(([, key, value]) => [key!, value!] as const)
      .filter(([key]) => /^(Acquire|APT::Architectures?|Dir(::Etc|::Bin)?)(::|$)/.test(key))
      .filter(([key]) => !/^(Acquire::IndexTargets|Dir::(State|Cache|Log|Etc::(main|parts)$))/i.test(key));
    const own = {
      "Dir::Etc::main": "/dev/null",
      "Dir::Etc::parts": "/dev/null",
      "Dir::State": joinPath(this.#temp, "state"),
      // APT shall think that nothing is installed, so that all dependencies come, whatever the machine has installed.
      "Dir::State::status": "/dev/null",
      "Dir::Cache": joinPath(this.#temp, "cache"),
      "Dir::Log": joinPath(this.#temp, "log"),
      "Debug::NoLocking": "true",
      "APT::Sandbox::User": "",
      "APT::Get::AllowUnauthenticated": "false",
      "Acquire::AllowInsecureRepositories": "false",
      "Acquire::Languages": "none",
      "Acquire::http::Timeout": "20",
      "Acquire::https::Timeout": "20",
    };
    return [...kept, ...Object.entries(own)];
  }

  /** Adds the release's backports to the sources; returns their suite, or `null` where no source has this release. */
  async #addBackports(settings: Setting[], codename: string): Promise<string | null> {
    const path = (key: string) => settings.find(([name]) => name.toLowerCase() === key)?.[1] ?? "";
    const etc = joinPath(path("dir"), path("dir::etc"));
    const parts = joinPath(etc, path("dir::etc::sourceparts"));
    const names = (await listFolder(parts) ?? []).map((name) => joinPath(parts, name));
    const lists = [joinPath(etc, path("dir::etc::sourcelist")), ...names];
    const suite = `${codename}-backports`;
    for (const list of lists) {
      const text = textOf(await readFile(list).catch(() => new Uint8Array()));
      const source = backportsSource(text, codename, suite);
      if (source === null) continue;
      const copies = joinPath(this.#temp, "sources.list.d");
      for (const name of names) {
        const bytes = await readFile(name).catch(() => null);
        if (bytes) await writeFile(joinPath(copies, name.slice(parts.length)), bytes);
      }
      await writeFile(joinPath(copies, `amusd-backports.${source.format}`), new TextEncoder().encode(source.text));
      settings.push(["Dir::Etc::sourceparts", copies]);
      return suite;
    }
    return null;
  }

  /** Unpacks the packages, and keeps the driver, the loader and all libraries that the two need. */
  async #unpack(ready: string): Promise<void> {
    const archives = joinPath(this.#temp, "cache", "archives");
    const root = joinPath(this.#temp, "root");
    for (const name of await listFolder(archives) ?? []) {
      if (!name.endsWith(".deb") || MACHINES_OWN.test(name)) continue;
      showProgress(`unpacking ${name}`);
      const unpacked = await this.#run(["dpkg-deb", "-x", joinPath(archives, name), root], { LC_ALL: "C" });
      if (unpacked.status !== 0) throw new Error(`dpkg-deb -x ${name}: ${complaint(unpacked)}`);
    }
    const files = await listFiles(root);
    const paths = new Map(files.map((file) => [file.slice(file.lastIndexOf("/") + 1), file]));
    const hashes: Record<string, string> = {};
    const keep = async (name: string, bytes: Uint8Array) => {
      await writeFile(joinPath(ready, name), bytes);
      hashes[name] = sha256(bytes);
    };
    const seen = new Set<string>();
    // A library comes after those that it needs, as the dynamic linker finds only what is loaded or on its own paths.
    const visit = async (name: string) => {
      const path = paths.get(name);
      if (path === undefined || seen.has(name)) return;
      seen.add(name);
      const bytes = await readFile(path);
      for (const needed of readElf(bytes).needed) await visit(needed);
      await keep(name, bytes);
    };
    for (const name of [DRIVER, LOADER]) {
      if (!paths.has(name)) throw new Error(`the packages have no ${name}`);
      await visit(name);
    }
    const manifest = files.find((file) => /\/icd\.d\/lvp_icd\.[^/]*json$/.test(file));
    if (manifest === undefined) throw new Error("the packages have no manifest of lavapipe");
    const { file_format_version, ICD } = JSON.parse(textOf(await readFile(manifest)));
    const moved = { file_format_version, ICD: { ...ICD, library_path: `./${DRIVER}` } };
    await keep(MANIFEST, new TextEncoder().encode(JSON.stringify(moved)));
    await writeFile(joinPath(ready, HASHES), new TextEncoder().encode(JSON.stringify(hashes)));
  }
}

function configText(settings: readonly Setting[]): string {
  return [...settings].map(([key, value]) => `${key} "${value}";\n`).join("");
}

/**
 * The entry of a sources file, in either of APT's formats, that names the packages of the release `codename`, with
 * `suite` in the release's place; `null` where no entry does.
 */
export function backportsSource(
  text: string,
  codename: string,
  suite: string,
): { readonly format: "list" | "sources"; readonly text: string } | null {
  const line = text.split("\n").find((line) =>
    new RegExp(`^deb\\s(\\[.*?\\]\\s+|\\s*)\\S+\\s+${codename}\\s`).test(line)
  );
  if (line) return { format: "list", text: line.replace(new RegExp(`\\s${codename}\\s.*`), ` ${suite} main\n`) };
  const stanza = text.split(/\n\s*\n/).find((stanza) =>
    /^Types:.*\bdeb(\s|$)/m.test(stanza) && new RegExp(`^Suites:(.*\\s)?${codename}(\\s|$)`, "m").test(stanza)
  );
  return stanza ? { format: "sources", text: stanza.replace(/^Suites:.*$/m, `Suites: ${suite}`) + "\n" } : null;
}

/** The first line in which one of APT's programs says what went wrong; "" where no line does. */
function complaint({ status, stderr }: CommandResult): string {
  const lines = stderr.trim().split("\n");
  const worst = lines.find((line) => /^(E:|dpkg-deb: error)/.test(line)) ??
    lines.find((line) => /^(W:|Err:)/.test(line));
  return worst ?? (status === 0 ? "" : lines[0] || `it ended with ${status}`);
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
