// `viz` as its users have it: as a process, with files.

import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { amusd, assertRefused, isNode } from "./host.ts";
import { simulateBenchmark } from "../benchmark/results-fixture.ts";

const root = new URL("../../", import.meta.url);
const folder = await Deno.makeTempDir();
const at = (name: string) => join(folder, name);
const results = await simulateBenchmark({ samples: 2, tokens: 12 });
Deno.writeTextFileSync(at("d.json"), JSON.stringify(results));

const viz = (...args: string[]) => amusd("viz", ...args);

const FILES = ["tokens", "timeline", "devices", "acceptance", "speed"].flatMap((
  name,
) => [`-${name}.svg`, `-${name}.png`]);

test("it writes the pictures and the page, and replaces nothing unless told to", async () => {
  const { code, stdout, stderr } = await viz(at("d.json"), "--output", at("out"));
  assert.is(code, 0, stderr);
  assert.is(stderr, "");
  const files = [...FILES, ".html"].map((ending) => at(`out${ending}`));
  assert.is(stdout, files.map((file) => `${file}\n`).join(""));
  const first = files.map((file) => Deno.readFileSync(file));
  for (const [i, file] of files.entries()) {
    const start = new TextDecoder("latin1").decode(first[i]!.subarray(0, 8));
    assert.match(start, file.endsWith(".png") ? /^.PNG/ : file.endsWith(".svg") ? /^<svg / : /^<!doctyp/, file);
  }

  Deno.writeTextFileSync(at("out-speed.png"), "kept");
  for (const file of files.slice(0, -2)) Deno.removeSync(file);
  assertRefused(
    await viz(at("d.json"), "--output", at("out")),
    2,
    /^Cannot write ".*out-speed\.png": it is there already; give --force /,
  );
  assert.is(Deno.readTextFileSync(at("out-speed.png")), "kept");
  assert.throws(() => Deno.statSync(files[0]!));

  assert.is((await viz(at("d.json"), "--output", at("out"), "--force")).code, 0);
  assert.equal(files.map((file) => Deno.readFileSync(file)), first);
});

test("the files stand beside the results where no name is given", async () => {
  assert.is((await viz(at("d.json"))).code, 0);
  for (const ending of [...FILES, ".html"]) Deno.statSync(at(`d${ending}`));
});

test("what can't be drawn is one line, and nothing is written", async () => {
  const text = Deno.readTextFileSync(at("d.json"));
  const written = (name: string, content: string) => {
    Deno.writeTextFileSync(at(name), content);
    return at(name);
  };
  const cases: [string[], number, RegExp][] = [
    [[], 2, /RESULTS/],
    [[at("none.json")], 1, /^Cannot .*none\.json": there is no such file/],
    [[written("cut.json", text.slice(0, -9))], 1, /^Cannot .*cut\.json": .*cut short/],
    [[written("list.json", "[1]")], 1, /^Cannot .*list\.json": .*results/],
    [[written("null.json", "null")], 1, /^Cannot .*null\.json": .*results/],
    [[written("other.json", text.replace('"version":3', '"version":4'))], 1, /^Cannot .*other\.json": .*version 4/],
    [[written("empty.json", JSON.stringify({ ...results, runs: [] }))], 1, /^Cannot draw .*no runs yet; .*--resume/],
    [[at("d.json"), "--output", at("d.json/such")], 1, /^Cannot write ".*such-tokens\.svg": on the way ".*" is no fo/],
  ];
  const before = [...Deno.readDirSync(folder)].length;
  for (const [args, code, message] of cases) {
    assertRefused(await viz(...args), code, message);
  }
  assert.is([...Deno.readDirSync(folder)].length, before);
});

if (isNode) console.log("skipped under Node: which modules a command loads is read off the source");
(isNode ? test.skip : test)("the other commands load nothing of it", async () => {
  const graph = await new Deno.Command(Deno.execPath(), { args: ["info", "--json", "cli.ts"], cwd: root }).output();
  const { modules } = JSON.parse(new TextDecoder().decode(graph.stdout)) as {
    modules: {
      specifier: string;
      dependencies?: { specifier: string; isDynamic?: boolean; code?: { specifier: string } }[];
    }[];
  };
  const loaded = new Set<string>();
  const visit = (specifier: string) => {
    if (loaded.has(specifier)) return;
    loaded.add(specifier);
    const module = modules.find((module) => module.specifier === specifier);
    for (const { isDynamic, code } of module?.dependencies ?? []) if (code && !isDynamic) visit(code.specifier);
  };
  visit(new URL("cli.ts", root).href);
  assert.ok([...loaded].some((specifier) => specifier.endsWith("/src/cli/viz.ts")));
  assert.equal([...loaded].filter((specifier) => /\/src\/benchmark\/viz\/|vega|resvg/.test(specifier)), []);
});

test.after(() => Deno.remove(folder, { recursive: true }));

test.run();
