// The programs of examples/, as they stand but for the length of their answers. tests/node/package.test.ts runs one of
// them under Node.

import { test } from "uvu";
import * as assert from "uvu/assert";
import "./untuned.ts";

const root = new URL("../", import.meta.url);
const folder = new URL("examples/", root);

/** What each prints with answers of so many tokens. */
const TOKENS = 8;
const PRINTED: Readonly<Record<string, RegExp>> = {
  "answer.mjs": /\S\s*\n8 tokens, \d+\.\d ms each\n$/,
  "stream.mjs": /\S\n\(length\)\n$/,
  "chat.mjs": /^> What [^]+\n> And [^]+\n5 messages\n$/,
  "own-models.mjs": /\S\n\(amusd, \d\.\d\d tokens a verification\)\n$/,
  "two-devices.mjs": /^0 {2}.+, \w+\n[^]*^verify on .+: busy for \d+ % of the time\ndraft on .+: busy for \d+ %/m,
};

test("there are these examples, of 30 lines at most, by the public API alone", async () => {
  const found: string[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    found.push(name);
    const text = await Deno.readTextFile(new URL(name, folder));
    assert.ok(text.split("\n").length <= 31, `${name} is longer than 30 lines`);
    const imported = [...text.matchAll(/^import .* from "(.+)";$/gm)].map(([, from]) => from);
    assert.equal(imported.filter((from) => from !== "node:process"), ["amusd"], name);
    assert.match(text, `npx -y deno run -A examples/${name}`, "its head says how to run it");
  }
  assert.equal(found.sort(), Object.keys(PRINTED).sort());
});

for (const [name, printed] of Object.entries(PRINTED)) {
  test(name, async () => {
    const program = (await Deno.readTextFile(new URL(name, folder)))
      .replaceAll(/maxTokens: \d+/g, `maxTokens: ${TOKENS}`);
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--ext=mjs", "-"],
      cwd: root,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(program));
    await writer.close();
    const { code, stdout, stderr } = await child.output();
    const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    assert.is(code, 0, err);
    assert.match(out!, printed);
  });
}

test.run();
