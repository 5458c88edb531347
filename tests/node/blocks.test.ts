// Each block of code of the README and the guide, and each program of examples/, as users have them: word for word, in
// a folder with the installed package and models, under Node and under Deno. Only answers are made short.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { randomModel } from "../random-models.ts";
import { installedPackage, run } from "./installed.ts";
import "../untuned.ts";

const root = new URL("../../", import.meta.url);
const PAGES = ["README.md", "docs/guide/api.md"];
const RUNTIMES = [["node"], ["deno", "run", "-A", "--no-lock", "--node-modules-dir=manual"]] as const;

/** What each program prints, with answers of 8 tokens. */
const EXAMPLES: Readonly<Record<string, RegExp>> = {
  "answer.mjs": /\S\s*\n8 tokens, \d+\.\d ms each\n$/,
  "stream.mjs": /\S\n\(length\)\n$/,
  "chat.mjs": /^> What [^]+\n> And [^]+\n5 messages\n$/,
  "own-models.mjs": /\S\n\(amusd, \d\.\d\d tokens a verification\)\n$/,
  "two-devices.mjs": /^0 {2}.+, \w+\n[^]*^verify on .+: busy for \d+ % of the time\ndraft on .+: busy for \d+ %/m,
};

/** What each block prints, in the order of PAGES: by random models the texts themselves say nothing. */
const BLOCKS: readonly RegExp[] = [
  / times as fast as greedy\n[^]+/,
  /^[^]*\n\d+ tokens, ended by "(length|context|eos)"\n[^\n]+\n$/,
  /\b(verify|accepted|correction|bonus)\b[^]*\n(length|context|eos|stop)\n$/,
  /\n5\n$/,
  /^0 .+ (software|discrete|integrated|unknown)\n[^]+\n\d{4,}\n$/,
];

test("there are these programs, of 30 lines at most, by the public API alone", async () => {
  const found: string[] = [];
  for await (const { name, isFile } of Deno.readDir(new URL("examples/", root))) {
    // Folders are no programs of ours: grafana/ has a dashboard.
    if (!isFile) continue;
    found.push(name);
    const text = await Deno.readTextFile(new URL(`examples/${name}`, root));
    assert.ok(text.split("\n").length <= 31, `${name} is longer than 30 lines`);
    const imported = [...text.matchAll(/^import .* from "(.+)";$/gm)].map(([, from]) => from);
    assert.equal(imported.filter((from) => from !== "node:process"), ["amusd"], name);
    assert.match(text, `npx -y deno run -A examples/${name}`, "its head says how to run it");
  }
  assert.equal(found.sort(), Object.keys(EXAMPLES).sort());
});

const blocks: string[] = [];
for (const page of PAGES) {
  const text = await Deno.readTextFile(new URL(page, root));
  blocks.push(...[...text.matchAll(/^```js\n([^]*?)^```$/gm)].map(([, block]) => block!));
}

test("the pages have these blocks", () => assert.is(blocks.length, BLOCKS.length));

const folder = await installedPackage();
if (folder === null) console.log("skipped, there is no npm here: the blocks of code are not run");
const withNpm = folder === null ? test.skip : test;

const programs = [
  ...blocks.map((text, i) => ({ name: `block ${i + 1}`, text, printed: BLOCKS[i]! })),
  ...await Promise.all(
    Object.entries(EXAMPLES).map(async ([name, printed]) => {
      const text = await Deno.readTextFile(new URL(`examples/${name}`, root));
      return { name, text: text.replaceAll(/maxTokens: \d+/g, "maxTokens: 8"), printed };
    }),
  ),
];

if (folder !== null) {
  for (const [name, ropeBase] of [["llama-8b-q4_k_m.gguf", 10_000], ["llama-1b-q8_0.gguf", 2000]] as const) {
    await Deno.writeFile(`${folder}/${name}`, randomModel({ ropeBase }));
  }
  await Deno.symlink(new URL("models", root), `${folder}/models`);
}
test.after(async () => {
  if (folder !== null) await Deno.remove(`${folder}/models`);
});

for (const { name, text, printed } of programs) {
  for (const [runtime, ...args] of RUNTIMES) {
    withNpm(`${name} under ${runtime}`, async () => {
      await Deno.writeTextFile(`${folder}/program.mjs`, text);
      const program = runtime === "deno" ? Deno.execPath() : runtime;
      assert.match(await run(folder!, program, ...args, "program.mjs"), printed);
    });
  }
}

test.run();
