// The npm package: what is in it, and whether plain Node and plain TypeScript can use it.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { simulateBenchmark } from "../benchmark/results-fixture.ts";
import { finish } from "../cli/host.ts";
import { serveHub } from "../hub/hub-server.ts";
import { SMALL } from "../llama/llama-fixture.ts";
import { bytesOf, randomLlamaFolder } from "../checkpoint/safetensors-builder.ts";
import "../untuned.ts";
import { installedPackage, run, tarballIn } from "./installed.ts";

const MAX_PACKED_BYTES = 1024 * 1024;
/** The oldest that the package's types are for, and the newest. */
const COMPILERS = ["5.9.3", "7.0.2"];

const folder = (await installedPackage())!;
if (!folder) console.log("skipped, there is no npm here: its package is not tested");
const withNpm = folder ? test : test.skip;

withNpm("it is small and holds nothing else", async () => {
  const tarball = await tarballIn(folder);
  const contents = (await run(folder, "tar", "-tzf", tarball)).trim().split("\n");
  assert.equal(
    contents.filter((path) => !/^package\/(dist\/([^/]+\.js|mod\.d\.ts)|LICENSE|README\.md|package\.json)$/.test(path)),
    [],
  );
  const { size } = await Deno.stat(`${folder}/${tarball}`);
  assert.ok(size <= MAX_PACKED_BYTES, `${size} bytes packed, at most ${MAX_PACKED_BYTES}`);
});

withNpm("Node imports all of the API", async () => {
  const all = `import("amusd").then((all) => console.log(JSON.stringify(Object.keys(all))))`;
  assert.equal(JSON.parse(await run(folder, "node", "-e", all)), Object.keys(await import("../../mod.ts")));
});

for (const version of COMPILERS) {
  withNpm(`TypeScript ${version} takes its types, without other types and with a browser's`, async () => {
    const user = await Deno.makeTempDir({ dir: folder });
    const write = (name: string, text: string) => Deno.writeTextFile(`${user}/${name}`, text);
    await write("package.json", '{ "type": "module" }');
    await run(user, "npm", "install", "--prefer-offline", `typescript@${version}`);

    // A name without a type has type `any`, which fits here, so that the expected error is missing.
    const lines = Object.keys(await import("../../mod.ts")).map((name) =>
      `// @ts-expect-error\nexport const ${name}: "a type of its own" = amusd.${name};\n`
    );
    await write("bare.ts", `import * as amusd from "amusd";\n${lines.join("")}`);
    await write(
      "browser.ts",
      `import { load } from "amusd";
       const engine = await load({ verify: "a.gguf" });
       for await (const { text } of engine.generate("a", { signal: new AbortController().signal })) console.log(text);`,
    );
    for (const [files, lib] of [[["bare.ts"], ["ES2022"]], [["bare.ts", "browser.ts"], ["ES2022", "DOM"]]]) {
      const compilerOptions = { strict: true, noEmit: true, target: "ES2022", module: "NodeNext", types: [], lib };
      await write("tsconfig.json", JSON.stringify({ compilerOptions, files }));
      await run(user, "npx", "--no", "tsc");
    }
  });
}

withNpm("its command finds its fonts and its renderer, which are files of other packages", async () => {
  assert.match(await run(folder, "npx", "--no", "amusd", "--", "--help"), "amusd");
  const results = await simulateBenchmark({ samples: 1, tokens: 4 });
  await Deno.writeTextFile(`${folder}/results.json`, JSON.stringify(results));
  assert.match(await run(folder, "npx", "--no", "amusd", "--", "viz", "results.json"), "results-tokens.png");
});

withNpm("it comes without models, and says what to type for an answer", async () => {
  const amusd = (words: readonly string[], env: Record<string, string> = {}) =>
    finish(new Deno.Command("npx", { args: [...words], cwd: folder, env, stdin: "null" }));
  const refused = await amusd(["amusd"]);
  assert.is(refused.stdout, "");
  assert.is(refused.code, 2);
  const [, typed, repository] = refused.stderr.match(/^Cannot .*; type "npx (amusd .* (\S+\/\S+))", [^\n]+\n$/) ?? [];
  assert.ok(typed, refused.stderr);

  const files = randomLlamaFolder({
    ...SMALL,
    type: "BF16",
    metadata: [
      ["tokenizer.ggml.pre", "string", "smollm"],
      ["tokenizer.chat_template", "string", "{{ messages[0].content }}"],
    ],
  });
  await using hub = serveHub(bytesOf(files), repository);
  const cache = await Deno.makeTempDir({ dir: folder });
  const answer = await amusd(typed.split(" "), { HF_ENDPOINT: hub.url, HF_HUB_CACHE: cache, HF_TOKEN: "" });
  assert.is(answer.code, 0, answer.stderr);
  assert.match(answer.stderr, /^greedy: \d+ tokens\b/m);
  assert.ok(answer.stdout.length > 4, answer.stdout);
});

test.run();
