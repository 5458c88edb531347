/**
 * The cache folder that all of Hugging Face's programs share. In a repository's folder, `blobs/` has the files by their
 * hashes, `snapshots/COMMIT/` has links to them by their paths, and `refs/REVISION` is a file with the revision's
 * commit. The package's own downloadFileToCacheDir doesn't resume, doesn't check the bytes, and writes no refs.
 */
import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import * as fs from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { isInside, type RepoType } from "./hub-name.ts";
import { hubCacheFolder } from "./hub-settings.ts";

/** A file of a repository at a commit. */
export interface HubFile {
  /** The path in the repository. */
  readonly path: string;
  /** The size in bytes. */
  readonly size: number;
  /**
   * The hash of the content: SHA-256 for an LFS object, git's SHA-1 for any other file. Where the kind is "none" the
   * content's hash is not known, and `hex` only tells it from other contents.
   */
  readonly hash: { readonly kind: "sha256" | "git" | "none"; readonly hex: string };
}

const COMMIT = /^[0-9a-f]{40}$/;

/** One repository's folder in the cache. */
export class HubCache {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** The cache of a repository on a hub. */
  static ofRepo(type: RepoType, repo: string): HubCache {
    return new HubCache(path.join(hubCacheFolder(), [`${type}s`, ...repo.split("/")].join("--")));
  }

  /** The folder with the files of a commit. */
  snapshot(commit: string): string {
    return path.join(this.folder, "snapshots", commit);
  }

  /**
   * The commit of `revision` as of its last fetch, or `null` where it was never fetched. A commit is its own revision.
   */
  async commitOf(revision: string): Promise<string | null> {
    const text = await fs.readFile(path.join(this.folder, "refs", revision), "utf8").catch(() => revision);
    return COMMIT.test(text.trim()) ? text.trim() : null;
  }

  /** Notes that `revision` is now at `commit`. */
  async setCommit(revision: string, commit: string): Promise<void> {
    if (revision === commit || await this.commitOf(revision) === commit) return;
    const file = path.join(this.folder, "refs", revision);
    await fs.mkdir(path.dirname(file), { recursive: true });
    await fs.writeFile(file, commit);
  }

  /** The sizes in bytes of the commit's files that are in the cache, by their paths in the repository. */
  async files(commit: string): Promise<Map<string, number>> {
    const root = this.snapshot(commit);
    const found = new Map<string, number>();
    const names = await fs.readdir(root, { recursive: true }).catch(() => []);
    for (const name of names) {
      const stat = await fs.stat(path.join(root, name)).catch(() => null);
      if (stat?.isFile()) found.set(name.split(path.sep).join("/"), stat.size);
    }
    return found;
  }

  /**
   * Puts a file into the commit's snapshot. `open` gives the file's bytes from an offset on, or from 0 where the hub
   * can't. A download that breaks off leaves its bytes for the next one. `onBytes` hears how many bytes are there.
   * Rejects with an Error, whose message is to follow "Cannot fetch ...: ", where the download breaks off, its bytes
   * don't have the hash, or another process is fetching the file.
   */
  async add(
    commit: string,
    file: HubFile,
    open: (offset: number) => Promise<{ offset: number; bytes: AsyncIterable<Uint8Array> }>,
    onBytes: (done: number) => void,
  ): Promise<void> {
    if (!isInside(file.path)) throw new Error(`the hub names a file "${file.path}"; report it to the hub`);
    const blob = path.join(this.folder, "blobs", file.hash.hex);
    if ((await fs.stat(blob).catch(() => null))?.size !== file.size) {
      await fs.mkdir(path.dirname(blob), { recursive: true });
      const unlock = await lock(`${blob}.lock`);
      try {
        await this.#download(`${blob}.incomplete`, file, open, onBytes);
        await fs.rename(`${blob}.incomplete`, blob);
      } finally {
        await unlock();
      }
    }
    const link = path.join(this.snapshot(commit), file.path);
    await fs.mkdir(path.dirname(link), { recursive: true });
    await fs.rm(link, { force: true });
    // Windows lets only some users make links; the others get a copy.
    await fs.symlink(path.relative(path.dirname(link), blob), link).catch(() => fs.copyFile(blob, link));
  }

  async #download(
    incomplete: string,
    { size, hash: { kind, hex } }: HubFile,
    open: (offset: number) => Promise<{ offset: number; bytes: AsyncIterable<Uint8Array> }>,
    onBytes: (done: number) => void,
  ): Promise<void> {
    const start = () => kind === "git" ? createHash("sha1").update(`blob ${size}\0`) : createHash("sha256");
    let hash: Hash = start();
    let done = (await fs.stat(incomplete).catch(() => null))?.size ?? 0;
    if (done > size) done = 0;
    if (done < size || size === 0) {
      const { offset, bytes } = await open(done);
      done = offset;
      if (done > 0) await readInto(hash, incomplete);
      const handle = await fs.open(incomplete, done > 0 ? "a" : "w");
      try {
        for await (const chunk of bytes) {
          if (done + chunk.length > size) break;
          await handle.appendFile(chunk);
          hash.update(chunk);
          done += chunk.length;
          onBytes(done);
        }
      } finally {
        await handle.close();
      }
    } else {
      hash = await readInto(hash, incomplete);
    }
    if (done < size) {
      throw new Error(`the download broke off after ${done} of ${size} bytes; run again to go on from there`);
    }
    if (kind === "none" || hash.digest("hex") === hex) return;
    await fs.rm(incomplete, { force: true });
    throw new Error(`its ${kind === "git" ? "git hash" : "sha256"} is not the hub's, so it was thrown away; run again`);
  }
}

async function readInto(hash: Hash, file: string): Promise<Hash> {
  for await (const chunk of createReadStream(file)) hash.update(chunk);
  return hash;
}

/**
 * Takes the lock `file`, so that no two processes append to one download, and returns the function that frees it. A
 * lock whose process has ended counts as free. Rejects with an Error where a running process has the lock.
 */
async function lock(file: string): Promise<() => Promise<void>> {
  const take = () => fs.writeFile(file, String(process.pid), { flag: "wx" });
  await take().catch(async (error) => {
    if (error.code !== "EEXIST") throw error;
    const pid = Number(await fs.readFile(file, "utf8").catch(() => "0"));
    if (isAlive(pid)) throw new Error(`another run (process ${pid}) is fetching it; wait for it, or delete "${file}"`);
    await fs.rm(file, { force: true });
    await take();
  });
  return () => fs.rm(file, { force: true });
}

function isAlive(pid: number): boolean {
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { code?: string }).code === "EPERM";
  }
}
