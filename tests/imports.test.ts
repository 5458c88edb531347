// The rules of the tree's layout, held by reading the source: which file may import which, which names of Deno and Node
// only the platform file may use, and how long a file may be.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { git, isRepository } from "./git.ts";
import { codeOf, importsOf } from "./source-text.ts";

const root = new URL("../", import.meta.url);

/**
 * The floors from the top down. A file imports from its own floor and from those below it. Speculation itself stands
 * near the bottom: no GPU, no kernel and no model is below it.
 */
const FLOORS = [
  /^cli\.ts$/,
  /^src\/cli\//,
  /^src\/benchmark\/viz\//,
  /^src\/benchmark\/monitor\//,
  /^src\/benchmark\/[^/]+$/,
  /^mod\.ts$/,
  /^src\/serve\//,
  /^src\/engine\//,
  /^src\/hub\//,
  /^src\/llama\//,
  /^src\/tokenizer\//,
  /^src\/checkpoint\//,
  /^src\/plan\//,
  /^src\/kernels\/embed\//,
  /^src\/kernels\/matmul\//,
  /^src\/kernels\/(attention|sampling|peak)\//,
  /^src\/kernels\/formats\//,
  /^src\/kernels\/[^/]+$/,
  /^src\/kernels\/memory\//,
  /^src\/gpu\/[^/]+$/,
  /^src\/gpu\/drivers\//,
  /^src\/platform\//,
  /^src\/spec\/strategies\//,
  /^src\/spec\/schedule\//,
  /^src\/spec\/lanes\//,
  /^src\/spec\/trace\//,
  /^src\/spec\/[^/]+$/,
  /^src\/util\//,
];
/** The command line may name these files beside the floors, for its version and for the embedded pair. */
const BESIDE = /^(package|deno)\.json$|^models\//;
const PLATFORM = /^src\/platform\/platform[\w-]*\.ts$/;
/** The parts that a browser can't load: mod.ts and what it imports reach the hub on demand alone. */
const HEADLESS = /^(cli\.ts$|src\/(cli|benchmark|hub)\/)/;
const TABLE = /-tables?\.ts$/;
const MAX_LINES = 500;

/** All that one source file (its path from the root) has against it, a line each. */
function problemsOf(path: string, text: string): string[] {
  const problems: string[] = [];
  const lines = text.split("\n").length - 1;
  if (lines > MAX_LINES && !TABLE.test(path)) problems.push(`${lines} lines, at most ${MAX_LINES}: split it`);
  if (!path.endsWith(".ts")) return problems;

  const code = codeOf(text);
  const floor = FLOORS.findIndex((pattern) => pattern.test(path));
  if (floor < 0) problems.push("is on none of the floors");
  for (const { target, isOnDemand } of importsOf(code)) {
    if (!target.startsWith(".")) continue;
    const to = new URL(target, new URL(path, root)).href.slice(root.href.length);
    const toFloor = FLOORS.findIndex((pattern) => pattern.test(to));
    if (toFloor < 0 && !(/^cli\.ts$|^src\/cli\//.test(path) && BESIDE.test(to))) {
      problems.push(`imports ${to}, which is on none of the floors`);
    }
    if (toFloor >= 0 && toFloor < floor) problems.push(`imports upward: ${to}`);
    else if (HEADLESS.test(to) && !HEADLESS.test(path) && !isOnDemand) {
      problems.push(`imports ${to}, which a browser can't load: load it on demand`);
    }
  }
  if (/\bexport\s*\*/.test(code)) problems.push("has `export *`: name what is exported");
  const runtime = /\b(?:Deno|process)\??\.[a-zA-Z]+|["']node:[^"']+/.exec(code)?.[0];
  if (runtime && !HEADLESS.test(path) && !PLATFORM.test(path)) {
    problems.push(`uses ${runtime}: only the platform file may`);
  }
  return problems;
}

async function* sources(folder: string): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(new URL(folder, root))) {
    if (entry.isDirectory) yield* sources(`${folder}${entry.name}/`);
    else if (/\.(ts|wgsl)$/.test(entry.name)) yield folder + entry.name;
  }
}

/** The first circle of files that import each other, imports of types among them; empty where there is none. */
function circleIn(texts: ReadonlyMap<string, string>): string[] {
  const done = new Set<string>();
  const walk = (path: string, way: readonly string[]): string[] => {
    if (way.includes(path)) return [...way.slice(way.indexOf(path)), path];
    if (done.has(path)) return [];
    for (const { target } of importsOf(codeOf(texts.get(path) ?? ""))) {
      if (!target.startsWith(".")) continue;
      const circle = walk(new URL(target, new URL(path, root)).href.slice(root.href.length), [...way, path]);
      if (circle.length > 0) return circle;
    }
    done.add(path);
    return [];
  };
  for (const path of texts.keys()) {
    const circle = walk(path, []);
    if (circle.length > 0) return circle;
  }
  return [];
}

const texts = new Map<string, string>();
for (const path of ["cli.ts", "mod.ts", ...await Array.fromAsync(sources("src/"))]) {
  texts.set(path, await Deno.readTextFile(new URL(path, root)));
}

test("the source keeps to its floors", () => {
  const found = [...texts].flatMap(([path, text]) => problemsOf(path, text).map((problem) => `${path} ${problem}`));
  assert.equal(found, []);
});

test("no files import each other in a circle", () => {
  assert.equal(circleIn(texts), []);
  const circle = circleIn(
    new Map([
      ["src/util/a.ts", 'import type { B } from "./b.ts";'],
      ["src/util/b.ts", 'import { c } from "./c.ts";'],
      ["src/util/c.ts", 'import { b } from "./b.ts";'],
    ]),
  );
  assert.equal(circle, ["src/util/b.ts", "src/util/c.ts", "src/util/b.ts"]);
});

for (
  const [what, path, text, problem] of [
    ["a downward import", "src/engine/a.ts", 'import { b } from "../gpu/b.ts";', null],
    ["an import on the same floor", "src/gpu/a.ts", 'import { b } from "./b.ts";', null],
    ["a package", "src/llama/a.ts", 'import { parquetRead } from "hyparquet";', null],
    ["WGSL text", "src/kernels/a.ts", 'import code from "./a.wgsl" with { type: "text" };', null],
    ["an upward import", "src/gpu/a.ts", 'import { b } from "../engine/b.ts";', "imports upward: src/engine/b.ts"],
    ["an upward type", "src/gpu/a.ts", 'import type { B } from "../engine/b.ts";', "imports upward: src/engine/b.ts"],
    [
      "an import of many lines",
      "src/gpu/a.ts",
      'import {\n  b,\n} from "../engine/b.ts";',
      "imports upward: src/engine/b.ts",
    ],
    [
      "a GPU in speculation",
      "src/spec/strategies/a.ts",
      'import { b } from "../../gpu/b.ts";',
      "imports upward: src/gpu/b.ts",
    ],
    [
      "a kernel's type in speculation",
      "src/spec/a.ts",
      'import type { B } from "../kernels/b.ts";',
      "imports upward: src/kernels/b.ts",
    ],
    ["the CLI from the API", "mod.ts", 'import "./src/cli/b.ts";', "imports upward: src/cli/b.ts"],
    ["bench from the API", "mod.ts", 'import "./src/benchmark/b.ts";', "imports upward: src/benchmark/b.ts"],
    ["an upward export", "src/gpu/a.ts", 'export { b } from "../../mod.ts";', "imports upward: mod.ts"],
    ["an upward side effect", "src/gpu/a.ts", 'import "../llama/b.ts";', "imports upward: src/llama/b.ts"],
    [
      "an upward import on demand",
      "src/gpu/a.ts",
      'const b = await import("../llama/b.ts");',
      "imports upward: src/llama/b.ts",
    ],
    ["an upward worker", "src/gpu/a.ts", 'new URL("../llama/b.ts", import.meta.url)', "imports upward: src/llama/b.ts"],
    [
      "an import in a comment",
      "src/gpu/a.ts",
      '/** Not so:\n import "../engine/b.ts";\n */\n// import("../engine/b.ts")',
      null,
    ],
    ["the hub on demand", "src/engine/a.ts", 'const b = await import("../hub/b.ts");', null],
    [
      "the hub where a browser loads it",
      "src/engine/a.ts",
      'import { b } from "../hub/b.ts";',
      "imports src/hub/b.ts, which a browser can't load: load it on demand",
    ],
    ["lab", "src/gpu/a.ts", 'import "../../lab/b.ts";', "imports lab/b.ts, which is on none of the floors"],
    ["tests", "src/gpu/a.ts", 'import "../../tests/b.ts";', "imports tests/b.ts, which is on none of the floors"],
    ["bench", "mod.ts", 'import "./bench/b.ts";', "imports bench/b.ts, which is on none of the floors"],
    ["the version", "cli.ts", 'import meta from "./package.json" with { type: "json" };', null],
    ["the embedded pair", "cli.ts", 'new URL("./models/a.gguf", import.meta.url)', null],
    [
      "the embedded pair from below",
      "src/llama/a.ts",
      'new URL("../../models/a.gguf", import.meta.url)',
      "imports models/a.gguf, which is on none of the floors",
    ],
    ["a file beside the floors", "src/a.ts", "", "is on none of the floors"],
    ["Deno", "src/llama/a.ts", "Deno.readFile(path);", "uses Deno.readFile: only the platform file may"],
    ["Deno in a comment", "src/llama/a.ts", "// Not Deno.readFile, it is not there in a browser.", null],
    ["process", "mod.ts", "process?.exit();", "uses process?.exit: only the platform file may"],
    ["node:", "src/llama/a.ts", 'import fs from "node:fs";', 'uses "node:fs: only the platform file may'],
    ["node: in the platform file", "src/platform/platform.ts", 'import fs from "node:fs";', null],
    ["process in the CLI", "cli.ts", "process.exitCode = 1;", null],
    ["export *", "mod.ts", 'export * from "./src/gpu/b.ts";', "has `export *`: name what is exported"],
    ["export * as", "mod.ts", 'export * as b from "./src/gpu/b.ts";', "has `export *`: name what is exported"],
    ["500 lines", "src/gpu/a.wgsl", "\n".repeat(500), null],
    ["501 lines", "src/gpu/a.wgsl", "\n".repeat(501), "501 lines, at most 500: split it"],
    ["a long table", "src/llama/unicode-table.ts", "\n".repeat(501), null],
  ] as const
) {
  test(`${what} is ${problem ? "told" : "let pass"}`, () =>
    assert.equal(problemsOf(path, text), problem ? [problem] : []));
}

/** Matches hosts of package registries, and paths of one machine, in the syntax that git and JavaScript share. */
const HOSTS = "registry\\.(npmjs|yarnpkg)|npm\\.jsr\\.|pythonhosted\\.|(static|index)\\.crates\\.|repo1?\\.maven\\." +
  "|proxy\\.golang\\.|(deb|security|snapshot)\\.debian\\.|archive\\.ubuntu\\.";
const PATHS = "(^|[^A-Za-z0-9_.])/(work|farm|root|home|Users)/";
const LOCAL = `${HOSTS}|${PATHS}`;

if (!isRepository) console.log("skipped: hosts and paths are looked for by git, in a repository");
(isRepository ? test : test.skip)("no file names a registry's host or a path of one machine", async () => {
  const { code, stdout } = await git("grep", "-nIE", "--untracked", LOCAL);
  assert.is(stdout, "");
  assert.is(code, 1, "1 says that git looked and found nothing");
});

test("hosts and paths are recognised", () => {
  const local = new RegExp(LOCAL);
  // In pieces, so that this file passes its own test.
  for (const parts of [["registry", "npmjs", "org"], ["files", "pythonhosted", "org"], ["deb", "debian", "org"]]) {
    assert.match(`https://${parts.join(".")}/x`, local);
  }
  for (const folder of ["work", "root", "home"]) assert.match(`see "/${folder}/x"`, local);
  for (const fine of ["../shared/notes", "src/work/x", "a / work / b", "/usr/share/x", "https://a.org/work/x"]) {
    assert.not.match(fine, local);
  }
});

test.run();
