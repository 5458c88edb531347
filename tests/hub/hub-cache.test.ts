import { createHash } from "node:crypto";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { HubCache, type HubFile } from "../../src/hub/hub-cache.ts";
import { inTempFolder } from "../temp-folder.ts";
import { COMMIT } from "./hub-server.ts";

const WEIGHTS = Uint8Array.from({ length: 3000 }, (_, i) => i * 7);
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const FILE: HubFile = { path: "q/model.gguf", size: 3000, hash: { kind: "sha256", hex: sha256(WEIGHTS) } };
const noBytes = () => {};

/** Runs with an empty cache, whose repository has the blobs in `blobs`. */
const withCache = (body: (cache: HubCache, blobs: string) => Promise<void>) =>
  inTempFolder(async (folder) => {
    Deno.env.set("HF_HUB_CACHE", folder);
    const cache = HubCache.ofRepo("model", "owner/name");
    await body(cache, `${cache.folder}/blobs`);
  });

/** Serves bytes from an offset on, as a hub does, up to `end`; `offsets` has what was asked for. */
function opening(bytes: Uint8Array, end = bytes.length, canResume = true) {
  const offsets: number[] = [];
  const open = async (wanted: number) => {
    offsets.push(wanted);
    const offset = canResume ? wanted : 0;
    const chunks = async function* () {
      for (let at = offset; at < end; at += 1000) yield bytes.subarray(at, Math.min(at + 1000, end));
    };
    return { offset, bytes: chunks() };
  };
  return { open, offsets };
}

test("a file stands in its commit's folder, and its bytes in blobs/ by their hash", () =>
  withCache(async (cache, blobs) => {
    const heard: number[] = [];
    await cache.add(COMMIT, FILE, opening(WEIGHTS).open, (done) => heard.push(done));
    assert.equal(heard, [1000, 2000, 3000]);
    const path = `${cache.snapshot(COMMIT)}/q/model.gguf`;
    assert.equal(await Deno.readFile(path), WEIGHTS);
    assert.equal([...Deno.readDirSync(blobs)].map(({ name }) => name), [FILE.hash.hex]);
    assert.equal(await cache.files(COMMIT), new Map([["q/model.gguf", 3000]]));
    const another = opening(WEIGHTS);
    await cache.add("f".repeat(40), FILE, another.open, noBytes);
    assert.equal(another.offsets, [], "another commit shares the blob");
  }));

test("a file that is no LFS object has git's hash", () =>
  withCache(async (cache) => {
    // What `git hash-object` prints for a file with "hello" and a line's end.
    const hex = "ce013625030ba8dba906f756967f9e9ca394464a";
    const bytes = new TextEncoder().encode("hello\n");
    await cache.add(COMMIT, { path: "a.txt", size: 6, hash: { kind: "git", hex } }, opening(bytes).open, noBytes);
    assert.equal(await cache.files(COMMIT), new Map([["a.txt", 6]]));
    const other = { path: "b.txt", size: 6, hash: { kind: "git" as const, hex: "0".repeat(40) } };
    await assertFails(cache.add(COMMIT, other, opening(bytes).open, noBytes), /^its git hash is not the hub's, so/);
  }));

/** Messages of the cache follow "Cannot fetch ...: ". */
const assertFails = async (work: Promise<unknown>, message: RegExp) => {
  const error = await work.then(() => null, (error) => error);
  assert.instance(error, Error);
  assert.match(error.message, message);
};

for (const [from, canResume] of [["where it stopped", true], ["from 0 where the hub can't resume", false]] as const) {
  test(`a download that broke off goes on ${from}`, () =>
    withCache(async (cache, blobs) => {
      await assertFails(
        cache.add(COMMIT, FILE, opening(WEIGHTS, 1500).open, noBytes),
        /^the download broke off after 1500 of 3000 bytes; run again to go on from there$/,
      );
      assert.equal(await cache.files(COMMIT), new Map());
      const { open, offsets } = opening(WEIGHTS, 3000, canResume);
      await cache.add(COMMIT, FILE, open, noBytes);
      assert.equal(offsets, [1500]);
      assert.equal(await Deno.readFile(`${cache.snapshot(COMMIT)}/q/model.gguf`), WEIGHTS);
      assert.is([...Deno.readDirSync(blobs)].length, 1);
    }));
}

test("bytes that are not those of the hash are thrown away, and so is a blob that another program left cut", () =>
  withCache(async (cache, blobs) => {
    const wrong = opening(WEIGHTS.map((byte) => byte + 1));
    await assertFails(
      cache.add(COMMIT, FILE, wrong.open, noBytes),
      /^its sha256 is not the hub's, so it was thrown away; run again$/,
    );
    assert.equal([...Deno.readDirSync(blobs)], []);
    await Deno.writeFile(`${blobs}/${FILE.hash.hex}`, WEIGHTS.subarray(0, 10));
    await cache.add(COMMIT, FILE, opening(WEIGHTS).open, noBytes);
    assert.equal(await Deno.readFile(`${blobs}/${FILE.hash.hex}`), WEIGHTS);
  }));

test("two processes don't write one file; the lock of a process that ended is free", () =>
  withCache(async (cache, blobs) => {
    await Deno.mkdir(blobs, { recursive: true });
    const lock = `${blobs}/${FILE.hash.hex}.lock`;
    await Deno.writeTextFile(lock, String(Deno.pid));
    const { open, offsets } = opening(WEIGHTS);
    await assertFails(
      cache.add(COMMIT, FILE, open, noBytes),
      /^another run \(process \d+\) is fetching it; wait for it, or delete ".*\.lock"$/,
    );
    assert.equal(offsets, []);
    // No system gives out so large a number, so no process has it.
    await Deno.writeTextFile(lock, String(2 ** 30));
    await cache.add(COMMIT, FILE, open, noBytes);
    assert.equal([...Deno.readDirSync(blobs)].map(({ name }) => name), [FILE.hash.hex], "the lock is gone");
  }));

test("a path that leads out of the cache is refused", () =>
  withCache(async (cache) => {
    const { open, offsets } = opening(WEIGHTS);
    await assertFails(
      cache.add(COMMIT, { ...FILE, path: "../../x.gguf" }, open, noBytes),
      /^the hub names a file "\.\.\/\.\.\/x\.gguf"; report it to the hub$/,
    );
    assert.equal(offsets, []);
  }));

test("a revision's commit is remembered, a commit is its own", () =>
  withCache(async (cache) => {
    assert.is(await cache.commitOf("main"), null);
    await cache.setCommit("refs/pr/1", COMMIT);
    await cache.setCommit(COMMIT, COMMIT);
    assert.is(await Deno.readTextFile(`${cache.folder}/refs/refs/pr/1`), COMMIT);
    assert.equal([await cache.commitOf("refs/pr/1"), await cache.commitOf(COMMIT)], [COMMIT, COMMIT]);
    assert.equal([...Deno.readDirSync(`${cache.folder}/refs`)].map(({ name }) => name), ["refs"]);
  }));

test.run();
