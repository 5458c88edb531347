import type { HubFile } from "./hub-cache.ts";
import type { RepoType } from "./hub-name.ts";
import { Http, type HttpOptions, ServerDown } from "./http.ts";
import { offsetOf, type Remote } from "./remote.ts";

/** The options by which a function of the package reaches the hub. */
interface Access {
  readonly hubUrl: string;
  readonly fetch: typeof fetch;
}

/** The package is loaded where a hub is asked: nobody waits for it who brings files of their own. */
const hubPackage = () => import("@huggingface/hub");

/** One repository on a hub. */
export class HubClient implements Remote {
  readonly #type: RepoType;
  readonly #repo: string;
  readonly #endpoint: string;
  readonly #token: () => Promise<string | undefined>;
  readonly #http: Http;

  constructor(
    type: RepoType,
    repo: string,
    endpoint: string,
    token: () => Promise<string | undefined>,
    options: Omit<HttpOptions, "server" | "refusal">,
  ) {
    this.#type = type;
    this.#repo = repo;
    this.#endpoint = endpoint;
    this.#token = token;
    this.#http = new Http({
      ...options,
      server: `the hub at ${endpoint}`,
      refusal: (status, headers) => this.#refusal(status, headers.get("X-Error-Code")),
    });
  }

  async commitOf(revision: string): Promise<string> {
    const { datasetInfo, modelInfo } = await hubPackage();
    const asked = { name: this.#repo, revision, additionalFields: ["sha" as const] };
    const { sha }: { sha?: unknown } = await this.#answer<{ sha?: unknown }>((access) =>
      this.#type === "model" ? modelInfo({ ...asked, ...access }) : datasetInfo({ ...asked, ...access })
    );
    if (typeof sha !== "string" || !/^[0-9a-f]{40}$/.test(sha)) throw this.#strange("a commit");
    return sha;
  }

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
        throw this.#strange("its list of files");
      }
      return { path, size, hash };
    });
  }

  async open(commit: string, file: string, offset: number): ReturnType<Remote["open"]> {
    const folder = this.#type === "model" ? "" : "datasets/";
    const encoded = file.split("/").map(encodeURIComponent).join("/");
    const url = `${this.#endpoint}/${folder}${this.#repo}/resolve/${commit}/${encoded}`;
    const response = await this.#request(url, offset > 0 ? { headers: { Range: `bytes=${offset}-` } } : {});
    return { offset: offsetOf(response, offset), bytes: this.#http.chunks(response.body) };
  }

  /**
   * Sends the token to the hub's own origin alone; fetch() drops it where the hub sends on to another. The package
   * can't send it: it knows one form of token only.
   */
  readonly #request: typeof fetch = async (url, init) => {
    const headers = new Headers(init?.headers);
    const isHub = new URL(String(url)).origin === new URL(this.#endpoint).origin;
    const token = isHub ? await this.#token() : undefined;
    if (token !== undefined) headers.set("Authorization", `Bearer ${token}`);
    return await this.#http.request(url, { ...init, headers });
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
        const chunks = await collect(this.#http.chunks(body));
        return new Response(new Blob(chunks.map((chunk) => new Uint8Array(chunk))), { headers });
      } catch (error) {
        ours = error;
        throw error;
      }
    };
    try {
      return await ask({ hubUrl: this.#endpoint, fetch: whole });
    } catch (error) {
      if (error === ours || !(error instanceof TypeError || error instanceof SyntaxError)) throw error;
      throw this.#strange("an answer", error);
    }
  }

  #refusal(status: number, code: string | null): string {
    const page = `${this.#endpoint}/${this.#type === "model" ? "" : "datasets/"}${this.#repo}`;
    if (status === 401 || status === 403) {
      return `the hub answers ${status}: there is no such repository, or it is private or gated; check the name, ` +
        `accept the licence at ${page}, and set HF_TOKEN to a token that may read it`;
    }
    if (status === 404) {
      const what = { RevisionNotFound: "revision", EntryNotFound: "file" }[code ?? ""] ?? "repository";
      return `there is no such ${what} on ${this.#endpoint}, nor a local file of that name; check the name`;
    }
    return `the hub at ${this.#endpoint} answers ${status}; run again later`;
  }

  #strange(what: string, cause?: unknown): Error {
    const state = `the hub at ${this.#endpoint} sends ${what} in a form that is not the hub's`;
    return new ServerDown(state, "check HF_ENDPOINT", { cause });
  }
}

async function collect<T>(values: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const value of values) all.push(value);
  return all;
}
