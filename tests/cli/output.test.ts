import { test } from "uvu";
import * as assert from "uvu/assert";
import { PieceWriter, prepareOutput, Progress, writeWhole } from "../../src/cli/output.ts";
import { assertRefused } from "../llama/refused.ts";

const folder = await Deno.makeTempDir();
const at = (name: string) => `${folder}/${name}`;
test.after(() => Deno.remove(folder, { recursive: true }));

test("folders on the way to a file are made with it, not before", async () => {
  for (const file of [at("a/b/whole.json"), at("c/pieces.json")]) await prepareOutput(file, true);
  assert.equal([...Deno.readDirSync(folder)], []);

  await writeWhole(at("a/b/whole.json"), "[]");
  const writer = new PieceWriter(at("c/pieces.json"));
  writer.write("[]");
  await writer.end();
  for (const file of [at("a/b/whole.json"), at("c/pieces.json")]) assert.is(Deno.readTextFileSync(file), "[]");

  // On Windows a link takes rights that not everyone has.
  if (Deno.build.os === "windows") return;
  Deno.symlinkSync("to be made", at("a/link"));
  await prepareOutput(at("a/link"), true);
});

test("a path through a file, or to a folder, is refused in a line", async () => {
  Deno.writeTextFileSync(at("file"), "");
  await assertRefused(
    () => prepareOutput(at("file/d.json"), true),
    /^Cannot write ".*d\.json": on the way ".*file" is no folder; /,
  );
  await assertRefused(
    () => prepareOutput(at("file/e/d.json"), true),
    /^Cannot write ".*": on the way ".*file" is no folder; /,
  );
  await assertRefused(() => prepareOutput(folder, true), /^Cannot write ".*": it is a folder, a file is wanted; /);
  await assertRefused(
    () => writeWhole(at("file/e/d.json"), ""),
    /^Cannot write ".*d\.json": [^\n]+; choose another place$/,
  );
  assert.equal([...Deno.readDirSync(folder)].filter(({ name }) => name.includes("part")), []);
});

// Root may write everywhere.
const mayWriteAnywhere = Deno.build.os === "windows" || Deno.uid() === 0;
if (mayWriteAnywhere) console.log("skipped: a folder that may not be written to, as this user may write to any");
(mayWriteAnywhere ? test.skip : test)(
  "a folder that is read only is refused",
  async () => {
    Deno.mkdirSync(at("read only"), { mode: 0o555 });
    const message = /^Cannot write ".*d\.json": ".*read only" may not be written to; choose another place$/;
    for (const file of [at("read only/d.json"), at("read only/e/d.json")]) {
      await assertRefused(() => prepareOutput(file, true), message);
    }
  },
);

test("progress is shown to a terminal, once it is late enough, and cleared", () => {
  let nowMs = 0;
  const written: string[] = [];
  const terminal = { isTTY: true, columns: 11, write: (text: string) => written.push(text) > 0 };
  const progress = new Progress({ afterMs: 1000, terminal, now: () => nowMs });
  nowMs = 999;
  progress.show("early");
  progress.clear();
  assert.equal(written, []);
  nowMs = 1000;
  for (const line of ["prefill 64 of 100 tokens", "prefill 64 of 100 tokens", "short"]) progress.show(line);
  progress.clear();
  progress.clear();
  assert.equal(written, ["\r\x1b[Kprefill 64", "\r\x1b[Kshort", "\r\x1b[K"]);

  const piped = new Progress({ terminal: { ...terminal, isTTY: false } });
  piped.show("nobody looks");
  piped.clear();
  assert.is(written.length, 3);
});

test.run();
