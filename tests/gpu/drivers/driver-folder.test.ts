import { test } from "uvu";
import * as assert from "uvu/assert";
import { installFolder, isIntact } from "../../../src/gpu/drivers/driver-folder.ts";
import { sha256 } from "../../../src/platform/platform.ts";
import { inTempFolder } from "../../temp-folder.ts";
import { names } from "./driver-cache.ts";

/** A `fill` that makes a folder with one file of this content. */
const filling = (content: string) => async (ready: string) => {
  await Deno.mkdir(ready);
  await Deno.writeTextFile(`${ready}/driver`, content);
};
const contentOf = (folder: string) => Deno.readTextFile(`${folder}/driver`);

test("a folder is put in place whole, by several at once too", () =>
  inTempFolder(async (cache) => {
    const folder = `${cache}/x`;
    const isWhole = async () => await contentOf(folder) === "whole";
    await Promise.all([1, 2, 3].map(() => installFolder(folder, filling("whole"), isWhole)));
    assert.equal(names(cache), ["x"], "nothing else is left behind");
    assert.is(await contentOf(folder), "whole");
  }));

test("a fill that fails leaves nothing behind, and its error goes on", () =>
  inTempFolder(async (cache) => {
    const failing = async (ready: string, temp: string) => {
      await filling("half")(ready);
      await Deno.writeTextFile(`${temp}/archive`, "");
      throw new Error("no network");
    };
    const error = await installFolder(`${cache}/x`, failing, () => Promise.resolve(false)).catch((error) => error);
    assert.is(error.message, "no network");
    assert.equal(names(cache), []);
  }));

test("a whole folder that another process has put there meanwhile stays, a broken one makes room", () =>
  inTempFolder(async (cache) => {
    const folder = `${cache}/x`;
    await filling("another's")(folder);
    await installFolder(folder, filling("ours"), () => Promise.resolve(true));
    assert.is(await contentOf(folder), "another's");
    await installFolder(folder, filling("ours"), () => Promise.resolve(false));
    assert.is(await contentOf(folder), "ours");
    assert.equal(names(cache), ["x"]);
  }));

test("what a killed process left behind is taken away, what a running one works on is not", () =>
  inTempFolder(async (cache) => {
    for (const name of ["tmp-killed", "tmp-running", "other"]) await filling("half")(`${cache}/${name}`);
    const longAgo = new Date(Date.now() - 25 * 3600 * 1000);
    for (const name of ["tmp-killed", "other"]) Deno.utimeSync(`${cache}/${name}`, longAgo, longAgo);
    await installFolder(`${cache}/x`, filling("whole"), () => Promise.resolve(true));
    assert.equal(names(cache), ["other", "tmp-running", "x"]);
  }));

test("a folder is intact where each file is there with its hash", () =>
  inTempFolder(async (cache) => {
    await filling("whole")(`${cache}/x`);
    const hashes = { driver: sha256("whole") };
    assert.is(await isIntact(`${cache}/x`, hashes), true);
    assert.is(await isIntact(`${cache}/x`, { ...hashes, loader: sha256("") }), false);
    Deno.writeTextFileSync(`${cache}/x/driver`, "wholE");
    assert.is(await isIntact(`${cache}/x`, hashes), false);
  }));

test.run();
