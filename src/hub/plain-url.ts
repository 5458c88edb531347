import { createHash } from "node:crypto";
import { partPaths } from "../checkpoint/gguf.ts";
import type { HubFile } from "./hub-cache.ts";
import { decoded, isInside } from "./hub-name.ts";
import { Http, type HttpOptions } from "./http.ts";
import { offsetOf, type Remote } from "./remote.ts";

/**
 * A file at an address that is not a hub's, or the parts of a split one beside it. What the server says of a file (its
 * length and its ETag or date) stands for a commit; its length alone is checked.
 */
export class PlainUrl implements Remote {
  readonly #url: URL;
  readonly #http: Http;
  readonly #validators = new Map<string, string>();
  #files: Promise<HubFile[]> | undefined;

  constructor(url: URL, options: Omit<HttpOptions, "server" | "refusal">) {
    this.#url = url;
    this.#http = new Http({
      ...options,
      server: url.origin,
      refusal: (status) => `${url.origin} answers ${status}; check the address`,
    });
  }

  /** The name under which the cache has the file. */
  get fileName(): string {
    const last = decoded(this.#url.pathname.split("/").at(-1)!);
    return isInside(last) ? last : "file";
  }

  async commitOf(): Promise<string> {
    return sha1((await this.files()).map(({ hash }) => hash.hex).join());
  }

  files(): Promise<HubFile[]> {
    return this.#files ??= Promise.all(partPaths(this.fileName).map((path) => this.#ask(path)));
  }

  /** A request for the first byte tells what a HEAD does; signed addresses allow no HEAD. */
  async #ask(path: string): Promise<HubFile> {
    const { status, headers, body } = await this.#get(path, { Range: "bytes=0-0" });
    await body?.cancel();
    const length = status === 206
      ? /\/(\d+)$/.exec(headers.get("Content-Range") ?? "")?.[1]
      : headers.get("Content-Length");
    const size = Number(length ?? NaN);
    if (!Number.isSafeInteger(size)) {
      throw new Error(`${this.#url.origin} doesn't tell the length of "${path}"; fetch it yourself, and give its path`);
    }
    const validator = headers.get("ETag") ?? headers.get("Last-Modified") ?? "";
    this.#validators.set(path, validator);
    return { path, size, hash: { kind: "none", hex: sha1(`${this.#url.href} ${path} ${size} ${validator}`) } };
  }

  async open(_commit: string, path: string, offset: number): ReturnType<Remote["open"]> {
    const validator = this.#validators.get(path);
    const response = await this.#get(path, {
      ...offset > 0 && { Range: `bytes=${offset}-` },
      // A weak ETag can't be asked for here (RFC 9110, 13.1.5).
      ...offset > 0 && validator && !validator.startsWith("W/") && { "If-Range": validator },
    });
    return { offset: offsetOf(response, offset), bytes: this.#http.chunks(response.body) };
  }

  #get(path: string, headers: Record<string, string>): Promise<Response> {
    const url = new URL(this.#url);
    if (path !== this.fileName) url.pathname = url.pathname.replace(/[^/]*$/, encodeURIComponent(path));
    return this.#http.request(url.href, { headers: { "Accept-Encoding": "identity", ...headers } });
  }
}

const sha1 = (text: string) => createHash("sha1").update(text).digest("hex");
