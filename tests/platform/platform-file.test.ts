import { test } from "uvu";
import * as assert from "uvu/assert";
import { openFile } from "../../src/platform/platform-file.ts";
import { assertRefused } from "../llama/refused.ts";
import { inTempFolder } from "../temp-folder.ts";

test("a file on disk is read at any offset, several reads at once", () =>
  inTempFolder(async (folder) => {
    const path = `${folder}/x.bin`;
    const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => i * 31 % 251);
    await Deno.writeFile(path, bytes);
    const source = await openFile(path);
    assert.equal([source.name, source.size], [path, 100_000]);
    const ranges = Array.from({ length: 200 }, (_, i) => [i * 499, i % 3 * 100] as const);
    const reads = await Promise.all(ranges.map(([offset, length]) => source.read(offset, length)));
    reads.forEach((read, i) => assert.equal(read, bytes.slice(ranges[i]![0], ranges[i]![0] + ranges[i]![1])));
    await assertRefused(
      () => source.read(99_990, 11),
      /11 bytes at 99990 are wanted, the file has 100000 bytes; leave/,
    );
    await Deno.truncate(path, 50_000);
    await assertRefused(() => source.read(40_000, 20_000), /20000 bytes at 40000 are wanted, the file has 50000 bytes/);
    await source.close();
  }));

test("refused: files that cannot be opened", () =>
  inTempFolder(async (folder) => {
    await Deno.writeFile(`${folder}/empty.gguf`, new Uint8Array());
    await assertRefused(
      () => openFile(`${folder}/none.gguf`),
      /^Cannot open ".*none.gguf": there is no such file; check/,
    );
    await assertRefused(() => openFile(folder), /it is a folder, a file is wanted; give a file's path/);
    await assertRefused(() => openFile(`${folder}/empty.gguf`), /the file is empty; download it again/);
    await assertRefused(
      () => openFile(`${folder}/empty.gguf/x`),
      /^Cannot open ".*": .*; (give another|check the) path/,
    );
    await assertRefused(() => openFile("a\0b"), /^Cannot open ".*": .*; give another path/);
    if (Deno.build.os === "windows") return;
    const { success } = await new Deno.Command("mkfifo", { args: [`${folder}/pipe`] }).output();
    assert.ok(success);
    await assertRefused(() => openFile(`${folder}/pipe`), /it is a device or a pipe, a file is wanted/);
  }));

test.run();
