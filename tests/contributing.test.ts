// The files, tasks and names in CONTRIBUTING.md exist: its steps are of no use once the files have moved.

import { test } from "uvu";
import * as assert from "uvu/assert";
import manifest from "../deno.json" with { type: "json" };

const root = new URL("../", import.meta.url);
const page = await Deno.readTextFile(new URL("CONTRIBUTING.md", root));

const isThere = (path: string) => Deno.stat(new URL(path, root)).then(() => true, () => false);

/** The page has these in place of names that the reader chooses. */
const MADE_UP = /q4_x|NAME|\/A\//;

test("the files and folders that it names are there", async () => {
  const named = [...page.matchAll(/`((?:src|tests|bench|lab|examples|models|\.ci|\.devcontainer)\/[^` ]*)`/g)]
    .map(([, path]) => path!)
    .filter((path) => !MADE_UP.test(path));
  assert.ok(named.length > 20);
  for (const path of named) assert.ok(await isThere(path), path);
});

test("the tasks that it names are there", () => {
  for (const [, task] of page.matchAll(/\bdeno task ([\w:]+)/g)) assert.ok(task! in manifest.tasks, task);
});

test("its map has each folder of src", async () => {
  const mapped = [...page.matchAll(/^ {4}(src\/\w+\/) {2,}\S/gm)].map(([, path]) => path!);
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(new URL("src/", root))) {
    if (isDirectory) found.push(`src/${name}/`);
  }
  assert.equal(mapped.sort(), found.sort());
});

test("what each step says to change is in the files that it names", async () => {
  const steps = page.match(/^\d+\. (?:.|\n(?!\n|\d+\. ))*/gm)!;
  assert.ok(steps.length > 10);
  for (const step of steps) {
    const files = [...step.matchAll(/`((?:src|tests|bench)\/[^`]+\.ts)`/g)].map(([, path]) => path!);
    const real = files.filter((path) => !MADE_UP.test(path));
    const texts = await Promise.all(real.map((path) => Deno.readTextFile(new URL(path, root))));
    for (const [, name] of step.matchAll(/`([A-Z][A-Z_]+|[A-Z]\w+[a-z]\w+|[a-z]+[A-Z]\w+)`/g)) {
      assert.match(texts.join(""), new RegExp(`\\b${name}\\b`), `${name} in ${real.join(", ")}`);
    }
  }
});

test.run();
