import os from "node:os";
import path from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { hubCacheFolder, hubToken, isOffline } from "../../src/hub/hub-settings.ts";
import { inTempFolder } from "../temp-folder.ts";

const NAMES = [
  "HF_HOME",
  "HF_HUB_CACHE",
  "HUGGINGFACE_HUB_CACHE",
  "XDG_CACHE_HOME",
  "HF_TOKEN",
  "HUGGING_FACE_HUB_TOKEN",
  "HF_TOKEN_PATH",
  "HF_HUB_DISABLE_IMPLICIT_TOKEN",
  "HF_HUB_OFFLINE",
  "TRANSFORMERS_OFFLINE",
  "AMUSD_TEST_PLACE",
];

/** Runs with these variables, and none of the others that matter. */
async function within<T>(variables: Record<string, string>, body: () => T): Promise<Awaited<T>> {
  const before = new Map(NAMES.map((name) => [name, Deno.env.get(name)]));
  for (const name of NAMES) Deno.env.delete(name);
  for (const [name, value] of Object.entries(variables)) Deno.env.set(name, value);
  try {
    return await body();
  } finally {
    for (const [name, value] of before) value === undefined ? Deno.env.delete(name) : Deno.env.set(name, value);
  }
}

test("the cache lies where Hugging Face's programs have it", async () => {
  const home = os.homedir();
  for (
    const [variables, ...wanted] of [
      [{}, home, ".cache", "huggingface", "hub"],
      [{ XDG_CACHE_HOME: "~/c" }, home, "c", "huggingface", "hub"],
      [{ HF_HOME: "~/x", XDG_CACHE_HOME: "/c" }, home, "x", "hub"],
      [{ HF_HOME: "~" }, home, "hub"],
      [{ HF_HOME: "/a/~x" }, "/a/~x", "hub"],
      [{ HUGGINGFACE_HUB_CACHE: "~/old", HF_HOME: "/h" }, home, "old"],
      [{ HF_HUB_CACHE: "${AMUSD_TEST_PLACE}/$AMUSD_TEST_PLACE/$NONE_SUCH", AMUSD_TEST_PLACE: "p" }, "p/p/$NONE_SUCH"],
    ] as [Record<string, string>, ...string[]][]
  ) {
    assert.is(await within(variables, hubCacheFolder), path.join(...wanted), JSON.stringify(variables));
  }
});

test("a token of any form comes from the environment, else from the login's file", () =>
  inTempFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/token`, "hf_of_file\n");
    await Deno.writeTextFile(`${folder}/other`, " of other ");
    for (
      const [variables, token] of [
        [{ HF_HOME: `${folder}/none` }, undefined],
        [{ HF_HOME: folder }, "hf_of_file"],
        [{ HF_HOME: folder, HF_TOKEN_PATH: `${folder}/other` }, "of other"],
        [{ HF_HOME: folder, HUGGING_FACE_HUB_TOKEN: "api_org" }, "api_org"],
        [{ HF_HOME: folder, HUGGING_FACE_HUB_TOKEN: "api_org", HF_TOKEN: " eyJ.a.b\r\n" }, "eyJ.a.b"],
        [{ HF_HOME: folder, HF_TOKEN: "  " }, "hf_of_file"],
        [{ HF_HOME: folder, HF_TOKEN: "x", HF_HUB_DISABLE_IMPLICIT_TOKEN: "1" }, undefined],
      ] as [Record<string, string>, string | undefined][]
    ) {
      assert.is(await within(variables, hubToken), token, JSON.stringify(variables));
    }
    const failed = await within({ HF_TOKEN: "tökén" }, () => hubToken().catch((error) => error));
    assert.is(failed.message, "HF_TOKEN has letters that no request can carry; correct it");
  }));

test("HF_HUB_OFFLINE is on by the words that huggingface_hub knows", async () => {
  for (const word of ["1", "true", "True", "YES", "on"]) {
    assert.ok(await within({ HF_HUB_OFFLINE: word }, isOffline), word);
    assert.ok(await within({ TRANSFORMERS_OFFLINE: word }, isOffline), word);
  }
  for (const word of ["", "0", "false", "2", "no"]) assert.not(await within({ HF_HUB_OFFLINE: word }, isOffline), word);
});

test.run();
