import { stat } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { firstLine } from "../util/text.ts";
import { HubCache, type HubFile } from "./hub-cache.ts";
import { firstParts, type HubName, parseHubName, partsOf, type RepoType } from "./hub-name.ts";

/**
 * How a hub is reached. The variables HF_ENDPOINT, HF_TOKEN, HF_HOME and HF_HUB_CACHE mean what they mean to Hugging
 * Face's own programs.
 */
export interface HubOptions {
  /** Whether only the cache is used, without any request. */
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
/** Where a hub answers 429 and wants a longer pause, in seconds, the user is told instead of waiting. */
const MAX_PAUSE_S = 10;

/**
 * The local path of a model. That is `name` itself where it is a path. Else `name` is a name on a hub: the model's
 * files are fetched into the cache unless they are there, and the path is that of the GGUF file or of the folder of
 * safetensors. Rejects with an Error of one line where the hub, the name or the cache fails.
 */
export async function fetchModel(name: string, options: HubOptions = {}): Promise<string> {
  const hubName = await nameOnHub(name);
  if (!hubName) return name;
  const { folder, files } = await fetchFiles(name, "model", hubName, chooseModel, options);
  return hubName.file === undefined && files.includes("config.json") ? folder : path.join(folder, files[0]!);
}

/**
 * The local paths of a dataset's files. That is `name` itself where it is a path. Else the split "test" is fetched from
 * the hub, or "train" where there is no "test", or the only files that there are. Rejects as `fetchModel` does.
 */
export async function fetchDataset(name: string, options: HubOptions = {}): Promise<string[]> {
  const hubName = await nameOnHub(name);
  if (!hubName) return [name];
  const { folder, files } = await fetchFiles(name, "dataset", hubName, chooseDataset, options);
  return files.map((file) => path.join(folder, file));
}

async function nameOnHub(name: string): Promise<HubName | null> {
  const isLocal = await stat(name).then(() => true, () => false);
  return isLocal ? null : parseHubName(name);
}

/** Chooses from all files of a repository. Throws an Error where none or several fit. */
type Choose = (files: readonly string[]) => string[];

/** The files beside the weights that say how a model works. */
const MODEL_TEXTS = [
  "config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "generation_config.json",
  "chat_template.jinja",
  "model.safetensors.index.json",
];
const NAMED_TEMPLATE = /^additional_chat_templates\/[^/]+\.jinja$/;

function chooseModel(files: readonly string[]): string[] {
  const weights = firstParts(files.filter((file) => /^model(-\d{5}-of-\d{5})?\.safetensors$/.test(file)));
  if (files.includes("config.json") && weights.length > 0) {
    const texts = files.filter((file) => MODEL_TEXTS.includes(file) || NAMED_TEMPLATE.test(file));
    return [...texts, ...partsOf(weights[0]!)];
  }
  return partsOf(onlyOne(firstParts(files.filter((file) => file.endsWith(".gguf"))), "a GGUF file or safetensors"));
}

function chooseDataset(files: readonly string[]): string[] {
  const tables = files.filter((file) => /\.(parquet|jsonl|jsonl\.gz|json)$/.test(file) && !/_infos?\.json$/.test(file));
  const ofSplit = (split: string) => tables.filter((file) => file.split(/[^A-Za-z0-9]+/).includes(split));
  const ofKind = (among: string[], kind: string) => among.filter((file) => file.endsWith(kind));
  const among = [ofSplit("test"), ofSplit("train"), tables].find((some) => some.length > 0) ?? [];
  const kinds = [".parquet", ".jsonl", ".jsonl.gz", ".json"].map((kind) => firstParts(ofKind(among, kind)));
  return partsOf(onlyOne(kinds.find((some) => some.length > 0) ?? [], "a .parquet, .jsonl, .jsonl.gz or .json file"));
}

function onlyOne(files: readonly string[], wanted: string): string {
  if (files.length === 0) throw new Error(`it holds no ${wanted.replace(/^an? /, "")}; choose another repository`);
  if (files.length > 1) {
    throw new Error(`it holds several files: ${files.join(", ")}; name one, as owner/name:${files[0]}`);
  }
  return files[0]!;
}

interface Fetched {
  readonly folder: string;
  /** Paths in the folder. */
  readonly files: readonly string[];
}

async function fetchFiles(
  name: string,
  type: RepoType,
  { repo, file, revision }: HubName,
  choose: Choose,
  options: HubOptions,
): Promise<Fetched> {
  try {
    const cache = new HubCache(type, repo);
    const wanted = (there: readonly string[]): string[] => {
      const files = file === undefined ? choose(there) : partsOf(file);
      const missing = files.find((path) => !there.includes(path));
      if (missing === undefined) return files;
      throw new Error(
        options.offline
          ? `"${missing}" is not in the cache; run once without --offline`
          : `there is no file "${missing}" in it; it holds ${there.slice(0, 20).join(", ")}`,
      );
    };
    if (options.offline) {
      const commit = await cache.commitOf(revision);
      const there = commit === null ? new Map<string, number>() : await cache.files(commit);
      if (there.size === 0) throw new Error("it is not in the cache; check the name, or run once without --offline");
      return { folder: cache.snapshot(commit!), files: wanted([...there.keys()]) };
    }

    const hub = new Hub(type, repo, options);
    const commit = await hub.commitOf(revision);
    const files = new Map((await hub.files(commit)).map((file) => [file.path, file]));
    const chosen = wanted([...files.keys()]);
    const there = await cache.files(commit);
    for (const path of chosen) {
      const file = files.get(path)!;
      if (there.get(path) === file.size) continue;
      const onBytes = (done: number) => {
        options.signal?.throwIfAborted();
        options.onProgress?.(path, done, file.size);
      };
      await cache.add(commit, file, (offset) => hub.open(commit, path, offset), onBytes);
    }
    await cache.setCommit(revision, commit);
    return { folder: cache.snapshot(commit), files: chosen };
  } catch (error) {
    options.signal?.throwIfAborted();
    const message = error instanceof Error ? error.message : String(error);
    throw new Error(`Cannot fetch ${type} "${name}": ${message}`, { cause: error });
  }
}

/** The options by which a function of the package reaches the hub. */
interface Access {
  readonly hubUrl: string;
  readonly accessToken: string | undefined;
  readonly fetch: typeof fetch;
}

/** The package is loaded where a hub is asked: nobody waits for it who brings files of their own. */
const hubPackage = () => import("@huggingface/hub");

/** One repository on a hub. The messages of its errors are to follow "Cannot fetch ...: ". */
class Hub {
  readonly #type: RepoType;
  readonly #repo: string;
  readonly #endpoint: string;
  readonly #token = process.env.HF_TOKEN || undefined;
  readonly #fetch: typeof fetch;
  readonly #timeoutMs: number;
  readonly #signal: AbortSignal | undefined;

  constructor(type: RepoType, repo: string, options: HubOptions) {
    this.#type = type;
    this.#repo = repo;
    this.#endpoint = (process.env.HF_ENDPOINT || "https://huggingface.co").replace(/\/+$/, "");
    if (!/^https?:/.test(this.#endpoint) || !URL.canParse(this.#endpoint)) {
      throw new Error(`HF_ENDPOINT is "${this.#endpoint}", a URL is wanted; correct it`);
    }
    if (this.#token !== undefined && !/^hf_[\x21-\x7e]+$/.test(this.#token)) {
      throw new Error('HF_TOKEN is no token, which begins with "hf_"; correct it');
    }
    this.#fetch = options.fetch ?? fetch;
    this.#signal = options.signal;
    this.#timeoutMs = options.timeoutMs ?? (Number(process.env.HF_HUB_DOWNLOAD_TIMEOUT) * 1000 || TIMEOUT_MS);
  }

  /** Asks for the commit that a revision is at. */
  async commitOf(revision: string): Promise<string> {
    const { datasetInfo, modelInfo } = await hubPackage();
    const asked = { name: this.#repo, revision, additionalFields: ["sha" as const] };
    const { sha }: { sha?: unknown } = await this.#answer<{ sha?: unknown }>((access) =>
      this.#type === "model" ? modelInfo({ ...asked, ...access }) : datasetInfo({ ...asked, ...access })
    );
    if (typeof sha !== "string" || !/^[0-9a-f]{40}$/.test(sha)) throw new Error(this.#strange("a commit"));
    return sha;
  }

  /** Asks for the list of all files of a commit. */
  async files(commit: string): Promise<HubFile[]> {
    const { listFiles } = await hubPackage();
    const repo = { type: this.#type, name: this.#repo };
    const entries = await this.#answer((access) =>
      collect(listFiles({ repo, revision: commit, recursive: true, ...access }))
    );
    return entries.filter(({ type }) => type === "file").map(({ path, size, oid, lfs }) => {
      const hash = lfs ? { kind: "sha256", hex: lfs.oid } as const : { kind: "git", hex: oid ?? "" } as const;
      const isHash = (lfs ? /^[0-9a-f]{64}$/ : /^[0-9a-f]{40}$/).test(hash.hex);
      if (typeof path !== "string" || !Number.isSafeInteger(size) || size < 0 || !isHash) {
        throw new Error(this.#strange("its list of files"));
      }
      return { path, size, hash };
    });
  }

  /** Asks for a file's bytes from `offset` on. The hub may send the whole file; then the result's offset is 0. */
  async open(
    commit: string,
    file: string,
    offset: number,
  ): Promise<{ offset: number; bytes: AsyncIterable<Uint8Array> }> {
    const folder = this.#type === "model" ? "" : "datasets/";
    const encoded = file.split("/").map(encodeURIComponent).join("/");
    const url = `${this.#endpoint}/${folder}${this.#repo}/resolve/${commit}/${encoded}`;
    const headers = new Headers(this.#token === undefined ? {} : { Authorization: `Bearer ${this.#token}` });
    if (offset > 0) headers.set("Range", `bytes=${offset}-`);
    const response = await this.#request(url, { headers });
    const resumed = response.status === 206 && response.headers.get("Content-Range")?.startsWith(`bytes ${offset}-`);
    return { offset: resumed ? offset : 0, bytes: this.#chunks(response.body) };
  }

  readonly #request: typeof fetch = async (url, init) => {
    for (let tries = 0;; tries++) {
      // The limit ends with the headers, unlike that of AbortSignal.timeout: a body may take as long as its bytes come.
      const silence = new AbortController();
      const timer = setTimeout(() => silence.abort(), this.#timeoutMs);
      const signal = this.#signal ? AbortSignal.any([this.#signal, silence.signal]) : silence.signal;
      const response = await this.#fetch(url, { ...init, signal }).catch((cause) => {
        throw new Error(silence.signal.aborted ? this.#silent() : this.#unreachable(cause), { cause });
      }).finally(() => clearTimeout(timer));
      if (response.ok) return response;
      await response.body?.cancel();
      const pauseS = Number(response.headers.get("Retry-After") ?? NaN);
      if (response.status === 429 && tries === 0 && pauseS <= MAX_PAUSE_S) {
        await new Promise((resolve) => setTimeout(resolve, pauseS * 1000));
        continue;
      }
      throw new Error(this.#refusal(response.status, response.headers.get("X-Error-Code"), pauseS));
    }
  };

  /**
   * Asks by a function of the package. Where the package throws a TypeError or a SyntaxError of its own, it couldn't
   * read the hub's answer.
   */
  async #answer<T>(ask: (access: Access) => Promise<T>): Promise<T> {
    let ours: unknown;
    const whole: typeof fetch = async (url, init) => {
      try {
        const { headers, body } = await this.#request(url, init);
        const chunks = await collect(this.#chunks(body));
        return new Response(new Blob(chunks.map((chunk) => new Uint8Array(chunk))), { headers });
      } catch (error) {
        ours = error;
        throw error;
      }
    };
    try {
      return await ask({ hubUrl: this.#endpoint, accessToken: this.#token, fetch: whole });
    } catch (error) {
      if (error === ours || !(error instanceof TypeError || error instanceof SyntaxError)) throw error;
      throw new Error(this.#strange("an answer"), { cause: error });
    }
  }

  async *#chunks(body: Response["body"]): AsyncGenerator<Uint8Array> {
    if (!body) return;
    const reader = body.getReader();
    try {
      while (true) {
        let timer: ReturnType<typeof setTimeout> | undefined;
        const silence = new Promise<null>((resolve) => timer = setTimeout(resolve, this.#timeoutMs, null));
        // A body that breaks off, is aborted or falls silent just ends here: the caller counts its bytes.
        const next = await Promise.race([reader.read().catch(() => null), silence]).finally(() => clearTimeout(timer));
        if (!next || next.done) return;
        yield next.value;
      }
    } finally {
      await reader.cancel().catch(() => {});
    }
  }

  #refusal(status: number, code: string | null, pauseS: number): string {
    const page = `${this.#endpoint}/${this.#type === "model" ? "" : "datasets/"}${this.#repo}`;
    if (status === 401 || status === 403) {
      return `the hub answers ${status}: there is no such repository, or it is private or gated; check the name, ` +
        `accept the licence at ${page}, and set HF_TOKEN to a token that may read it`;
    }
    if (status === 404) {
      const what = { RevisionNotFound: "revision", EntryNotFound: "file" }[code ?? ""] ?? "repository";
      return `there is no such ${what} on ${this.#endpoint}, nor a local file of that name; check the name`;
    }
    if (status === 429) {
      return `the hub answers 429, too many requests; wait ${
        pauseS > 0 ? `${pauseS} s` : "a few minutes"
      } and run again, or set HF_TOKEN`;
    }
    return `the hub at ${this.#endpoint} answers ${status}; run again later`;
  }

  #silent(): string {
    return `the hub at ${this.#endpoint} does not answer within ${this.#timeoutMs / 1000} s; check the network, ` +
      "run again, or use --offline";
  }

  #unreachable(cause: { message: string; cause?: { code?: string } }): string {
    const why = cause.cause?.code ?? firstLine(cause.message);
    return `the hub at ${this.#endpoint} can't be reached (${why}); check the network, run again, or use --offline`;
  }

  #strange(what: string): string {
    return `the hub at ${this.#endpoint} sends ${what} in a form that is not the hub's; check HF_ENDPOINT`;
  }
}

async function collect<T>(values: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const value of values) all.push(value);
  return all;
}
