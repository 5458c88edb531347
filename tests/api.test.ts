// The API as it is shown: its examples fit the types. That those of README and guide run is tests/node/blocks.test.ts'
// part.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { randomModel } from "./random-models.ts";
import "./untuned.ts";

const root = new URL("../", import.meta.url);

/** The blocks of code of a file, also those in a JSDoc comment. */
function examplesIn(file: string): string[] {
  const text = Deno.readTextFileSync(new URL(file, root)).replaceAll(/^ \* ?/gm, "");
  return [...text.matchAll(/^```[jt]s\n([^]*?)^```$/gm)].map(([, block]) => block!);
}

async function deno(args: string[], input = ""): Promise<{ code: number; stdout: string; stderr: string }> {
  const child = new Deno.Command(Deno.execPath(), { args, cwd: root, stdin: "piped", stdout: "piped", stderr: "piped" })
    .spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

test("the example in mod.ts runs, and ends by itself", async () => {
  const [example, ...others] = examplesIn("mod.ts");
  assert.equal(others, []);
  const folder = await Deno.makeTempDir();
  try {
    const models = [randomModel(), randomModel({ ropeBase: 2000 })].map((bytes, i) => {
      Deno.writeFileSync(`${folder}/${i}.gguf`, bytes);
      return JSON.stringify(`${folder}/${i}.gguf`);
    });
    const program = example!.replaceAll(/"[^"]+\.gguf"/g, () => models.shift()!);
    assert.equal(models, [], "a verify and a draft model");
    const { code, stdout, stderr } = await deno(["run", "--check", "-A", "-"], program);
    assert.is(code, 0, stderr);
    assert.ok(stdout.split("\n").length > 5, stdout);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

test("each example of README and guide fits the types by itself", async () => {
  const pages = [...Deno.readDirSync(new URL("docs/guide/", root))].map(({ name }) => `docs/guide/${name}`);
  const examples = ["README.md", ...pages.filter((page) => page.endsWith(".md"))].flatMap(examplesIn);
  assert.ok(examples.length >= 5, `${examples.length} examples`);
  const folder = await Deno.makeTempDir();
  try {
    for (const [i, example] of examples.entries()) await Deno.writeTextFile(`${folder}/${i}.ts`, example);
    const { code, stderr } = await deno(["check", "--config", "deno.json", folder]);
    assert.is(code, 0, stderr);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

test("programs need no types of WebGPU", async () => {
  const { code, stdout, stderr } = await deno(["doc", "--json", "mod.ts"]);
  assert.is(code, 0, stderr);
  assert.match(stdout, '"GenerationRecord"');
  assert.not.match(stdout, /"GPU\w+"/);
});

test.run();
