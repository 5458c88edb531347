// The packages as users get them: npm's on plain Node, JSR's as `deno publish` sees it.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { simulateBenchmark } from "./bench/results-fixture.ts";

const root = new URL("../", import.meta.url);
const MAX_PACKED_BYTES = 1024 * 1024;

/** Runs a command to its end and returns what it printed; throws with that where it fails. */
async function run(cwd: string | URL, command: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args, cwd, stdin: "null" }).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  if (!success) throw new Error(`${command} ${args.join(" ")} failed:\n${out}${err}`);
  return out!;
}

test("deno publish would pass, and leaves the models out", async () => {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["publish", "--dry-run", "--allow-dirty"],
    cwd: root,
    env: { NO_COLOR: "1" },
  }).output();
  const report = new TextDecoder().decode(stderr);
  assert.ok(success, report);
  assert.match(report, /\/src\/.*\.wgsl \(/);
  assert.not.match(report, /\/(models|tests)\/|\.gguf/);
});

const hasNpm = await new Deno.Command("npm", { args: ["--version"], stdout: "null" }).output().then(
  () => true,
  () => false,
);
if (!hasNpm) console.log("no npm here: its package is not tested");

(hasNpm ? test : test.skip)("the npm package is small, is imported and typed, and its command runs", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await run(root, "npm", "pack", "--pack-destination", folder);
    const [tarball] = (await Array.fromAsync(Deno.readDir(folder))).map((entry) => entry.name);
    const contents = (await run(folder, "tar", "-tzf", tarball!)).trim().split("\n");
    assert.equal(
      contents.filter((path) => !/^package\/(dist\/.*\.(js|d\.ts)|LICENSE|README\.md|package\.json)$/.test(path)),
      [],
    );
    const { size } = await Deno.stat(`${folder}/${tarball}`);
    assert.ok(size <= MAX_PACKED_BYTES, `${size} bytes packed, at most ${MAX_PACKED_BYTES}`);

    await Deno.writeTextFile(`${folder}/package.json`, "{}");
    await run(folder, "npm", "install", "--omit=dev", "--prefer-offline", `./${tarball}`);

    const names = Object.keys(await import("../mod.ts"));
    assert.ok(names.length > 0);
    const seen = await run(
      folder,
      "node",
      "-e",
      `import("amusd").then((all) => console.log(JSON.stringify(Object.keys(all))))`,
    );
    assert.equal(JSON.parse(seen), names);

    // What has no type has type `any`, which fits here.
    const lines = names.map((name) =>
      `// @ts-expect-error\nexport const ${name}: "a type of its own" = amusd.${name};\n`
    );
    await Deno.writeTextFile(`${folder}/typed.ts`, `import * as amusd from "amusd";\n${lines.join("")}`);
    await run(folder, Deno.execPath(), "check", "typed.ts");

    assert.match(await run(folder, "npx", "--no", "amusd", "--", "--help"), "amusd");

    // Its fonts and its renderer are files of other packages.
    await Deno.writeTextFile(
      `${folder}/results.json`,
      JSON.stringify(await simulateBenchmark({ samples: 1, tokens: 4 })),
    );
    assert.match(await run(folder, "npx", "--no", "amusd", "--", "viz", "results.json"), "results-tokens.png");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

test.run();
