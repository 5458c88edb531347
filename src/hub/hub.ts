import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { cacheFolder, note, sha256 } from "../platform/platform.ts";
import { quote } from "../util/text.ts";
import { type Choice, choose } from "./choose.ts";
import { ServerDown } from "./http.ts";
import { HubCache } from "./hub-cache.ts";
import { HubClient } from "./hub-client.ts";
import { type HubName, parseHubName, type RepoType } from "./hub-name.ts";
import { hubEndpoint, hubToken, isOffline } from "./hub-settings.ts";
import { PlainUrl } from "./plain-url.ts";
import type { Remote } from "./remote.ts";

/**
 * How a hub is reached. The variables of the environment (HF_ENDPOINT, HF_TOKEN, HF_HOME, HF_HUB_OFFLINE and so on)
 * mean what they mean to Hugging Face's own programs: hub-settings.ts has them.
 */
export interface HubOptions {
  /** Whether only the cache is used, without any request; default: as HF_HUB_OFFLINE says. */
  readonly offline?: boolean;
  /** Hears how many bytes of a file are there (`done`) and how many it has (`total`). */
  readonly onProgress?: (file: string, done: number, total: number) => void;
  /** Once it is aborted, what is under way ends with its reason. */
  readonly signal?: AbortSignal;
  /** Sends the requests; default: the global `fetch`. */
  readonly fetch?: typeof fetch;
  /** How long the hub may be silent, in ms; default: HF_HUB_DOWNLOAD_TIMEOUT (in seconds), else 30 s. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 30_000;
const ONLINE = "run once without --offline and HF_HUB_OFFLINE";
/** The longest file that is read to choose by it: an index of safetensors. */
const MAX_INDEX_BYTES = 2 ** 24;

/**
 * The local path of a model. That is `name` itself where it is a path. Else `name` is a name on a hub or an address:
 * the model's files are fetched into the cache unless they are there, and the path is that of the GGUF file or of the
 * folder of safetensors. Where the server is down the cache serves, with a line on stderr. Rejects with an Error of one
 * line where the hub, the name or the cache fails.
 */
export async function fetchModel(name: string, options: HubOptions = {}): Promise<string> {
  const fetched = await fetchFiles(name, "model", options);
  if (typeof fetched === "string") return fetched;
  const { folder, choice: { files, isFolder, others } } = fetched;
  if (others?.length) note(`Taking "${files[0]}" of "${name}"; there are also ${shortList(others)}`);
  const first = path.join(folder, files[0]!);
  return isFolder ? path.dirname(first) : first;
}

/**
 * The local paths of a dataset's files. That is `name` itself where it is a path. Else the split "test" is fetched from
 * the hub, or "train" where there is no "test", or the only files that there are. Rejects as `fetchModel` does.
 */
export async function fetchDataset(name: string, options: HubOptions = {}): Promise<string[]> {
  const fetched = await fetchFiles(name, "dataset", options);
  if (typeof fetched === "string") return [fetched];
  return fetched.choice.files.map((file) => path.join(fetched.folder, file));
}

/** The first of some texts, and how many more there are. */
function shortList(texts: readonly string[]): string {
  return texts.length <= 8 ? texts.join(", ") : `${texts.slice(0, 8).join(", ")} and ${texts.length - 8} more`;
}

interface Fetched {
  readonly folder: string;
  /** Paths in the folder. */
  readonly choice: Choice;
}

/** The files that a name means, in a folder; a local path where it is one. */
async function fetchFiles(name: string, type: RepoType, options: HubOptions): Promise<Fetched | string> {
  if (await stat(name).then(() => true, () => false)) return name;
  try {
    if (/^file:/i.test(name)) return fileURLToPath(name);
    const place = await placeOf(name, type, options);
    return place ? await fetchFrom(place, name, type, options) : name;
  } catch (error) {
    options.signal?.throwIfAborted();
    const message = error instanceof Error ? error.message : String(error);
    throw new Error(`Cannot fetch ${type} "${name}": ${message}`, { cause: error });
  }
}

/** Where files come from, and where they are kept. */
interface Place {
  readonly hubName: HubName;
  readonly cache: HubCache;
  readonly remote: Remote;
}

/** The place that a name means; `null` where it can only be a path. */
async function placeOf(name: string, type: RepoType, options: HubOptions): Promise<Place | null> {
  const { signal, fetch } = options;
  const timeoutMs = options.timeoutMs ?? (Number(process.env.HF_HUB_DOWNLOAD_TIMEOUT) * 1000 || TIMEOUT_MS);
  const hubName = parseHubName(name, hubEndpoint());
  if (hubName) {
    if (hubName.type !== undefined && hubName.type !== type) {
      throw new Error(`it is a ${hubName.type}'s, wanted a ${type}'s`);
    }
    const remote = new HubClient(type, hubName.repo, hubEndpoint(), hubToken, { signal, fetch, timeoutMs });
    return { hubName, cache: HubCache.ofRepo(type, hubName.repo), remote };
  }
  const [, scheme] = /^([A-Za-z][\w+.-]+):\/\//.exec(name) ?? [];
  if (scheme === undefined) return null;
  if (!/^https?$/i.test(scheme) || !URL.canParse(name)) {
    throw new Error(`it is no address that can be fetched; give one of https, a hub's owner/name, or a local path`);
  }
  const url = new URL(name);
  const remote = new PlainUrl(url, { signal, fetch, timeoutMs });
  const cache = new HubCache(path.join(cacheFolder(), "urls", sha256(url.href).slice(0, 16)));
  return { hubName: { repo: "", file: remote.fileName, revision: "main" }, cache, remote };
}

async function fetchFrom(place: Place, name: string, type: RepoType, options: HubOptions): Promise<Fetched> {
  if (options.offline || isOffline()) return await fromCache(place, type);
  try {
    return await fromRemote(place, type, options);
  } catch (error) {
    options.signal?.throwIfAborted();
    if (!(error instanceof ServerDown)) throw error;
    const cached = await fromCache(place, type).catch(() => null);
    if (!cached) throw error;
    note(`Taking ${type} "${name}" from the cache: ${error.state}`);
    return cached;
  }
}

async function fromCache({ hubName, cache }: Place, type: RepoType): Promise<Fetched> {
  const commit = await cache.commitOf(hubName.revision);
  const files = commit === null ? [] : [...(await cache.files(commit)).keys()].sort();
  if (files.length === 0) throw new Error(`it is not in the cache; check the name, or ${ONLINE}`);
  const folder = cache.snapshot(commit!);
  try {
    const choice = await choose(type, hubName, { files, read: (file) => readFile(path.join(folder, file), "utf8") });
    return { folder, choice };
  } catch (error) {
    throw new Error(`the cache lacks it (${(error as Error).message}); ${ONLINE}`, { cause: error });
  }
}

async function fromRemote({ hubName, cache, remote }: Place, type: RepoType, options: HubOptions): Promise<Fetched> {
  const commit = await remote.commitOf(hubName.revision);
  const files = new Map((await remote.files(commit)).map((file) => [file.path, file]));
  const there = await cache.files(commit);
  const folder = cache.snapshot(commit);
  const fetchOne = async (file: string) => {
    const wanted = files.get(file)!;
    if (there.get(file) === wanted.size) return;
    const onBytes = (done: number) => {
      options.signal?.throwIfAborted();
      options.onProgress?.(file, done, wanted.size);
    };
    await cache.add(commit, wanted, (offset) => remote.open(commit, file, offset), onBytes);
    there.set(file, wanted.size);
  };
  const read = async (file: string) => {
    const { size } = files.get(file)!;
    if (size > MAX_INDEX_BYTES) {
      throw new Error(`its ${quote(file)} has ${size} bytes, wanted ${MAX_INDEX_BYTES} at most`);
    }
    await fetchOne(file);
    return await readFile(path.join(folder, file), "utf8");
  };
  const choice = await choose(type, hubName, { files: [...files.keys()], read });
  for (const file of choice.files) await fetchOne(file);
  await cache.setCommit(hubName.revision, commit);
  return { folder, choice };
}
