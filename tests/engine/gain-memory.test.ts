// What drafting brought is kept in the cache folder, for the same lanes alone, and is never a reason to fail.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { type GainKey, readGain, writeGain } from "../../src/engine/gain-memory.ts";
import { setEnv } from "../../src/platform/platform.ts";

const folder = await Deno.makeTempDir();
test.after(() => Deno.remove(folder, { recursive: true }));
setEnv("XDG_CACHE_HOME", folder);
setEnv("LOCALAPPDATA", folder);
setEnv("AMUSD_TUNING", undefined);

const KEY: GainKey = { models: ["aa", "bb"], devices: ["a card, 1, flat", "a card, 1, flat"], draftVocabulary: null };
const GAIN = { expected: 1.2, achieved: 0.9, tokens: 180, pause: 30, cooldown: 128, tries: 3 };

/** The only file below the folder. */
function keptFile(within = folder): string {
  const [entry] = [...Deno.readDirSync(within)];
  const file = `${within}/${entry!.name}`;
  return entry!.isDirectory ? keptFile(file) : file;
}

test("a gain is read as it was written, for the same lanes alone", async () => {
  assert.is(await readGain(KEY), undefined);
  await writeGain(KEY, { ...GAIN, tokens: 0, pause: 0 });
  assert.is(await readGain(KEY), undefined, "nothing was learnt");
  await writeGain(KEY, GAIN);
  assert.equal(await readGain(KEY), GAIN);
  assert.is(await readGain({ ...KEY, models: ["aa", "cc"] }), undefined);
  assert.is(await readGain({ ...KEY, devices: ["a card, 2, flat", "a card, 1, flat"] }), undefined);
  assert.is(await readGain({ ...KEY, draftVocabulary: 8192 }), undefined);
  setEnv("AMUSD_TUNING", "off");
  assert.is(await readGain(KEY), undefined, "switched off");
  setEnv("AMUSD_TUNING", undefined);
});

test("a file that makes no sense counts as none", async () => {
  await writeGain(KEY, GAIN);
  const file = keptFile();
  for (
    const content of [
      "",
      "{",
      "[]",
      "null",
      JSON.stringify({ ...GAIN, achieved: 0 }),
      JSON.stringify({ ...GAIN, expected: 1e9 }),
      JSON.stringify({ ...GAIN, achieved: "1" }),
      JSON.stringify({ ...GAIN, tokens: 0.5 }),
      JSON.stringify({ ...GAIN, pause: -1 }),
      JSON.stringify({ ...GAIN, cooldown: 0 }),
      JSON.stringify({ ...GAIN, pause: undefined }),
      JSON.stringify({ ...GAIN, tries: undefined }),
    ]
  ) {
    await Deno.writeTextFile(file, content);
    assert.is(await readGain(KEY), undefined, content);
  }
  await writeGain(KEY, GAIN);
  assert.equal(await readGain(KEY), GAIN);
});

test.run();
