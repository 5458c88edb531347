// The pages: their links lead somewhere, and the picture is as its script draws it.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { lanesPicture } from "../docs/pictures/lanes.ts";

const root = new URL("../", import.meta.url);
const FOLDERS = ["docs", "lab", "models", "tests/goldens"];

async function* pagesIn(folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(new URL(`${folder}/`, root))) {
    if (isDirectory) yield* pagesIn(`${folder}/${name}`);
    else if (name.endsWith(".md")) yield `${folder}/${name}`;
  }
}

/** The anchors that GitHub gives to a page's headings. */
function anchorsOf(text: string): string[] {
  const headings = [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => heading!.toLowerCase());
  return headings.map((heading) => heading.replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-"));
}

const pages = new Map<string, string>();
for await (const { name } of Deno.readDir(root)) if (name.endsWith(".md")) pages.set(name, "");
for (const folder of FOLDERS) for await (const page of pagesIn(folder)) pages.set(page, "");
for (const page of pages.keys()) pages.set(page, await Deno.readTextFile(new URL(page, root)));

/** All that one page has against it, a line each. */
async function problemsOf(page: string, text: string): Promise<string[]> {
  const problems: string[] = [];
  for (const [, target] of text.replaceAll(/^```[^]*?^```/gm, "").matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^https?:/.test(target!)) continue;
    const [path, anchor] = target!.split("#");
    const linked = path === "" ? page : new URL(path!, new URL(page, root)).href.slice(root.href.length);
    const isThere = await Deno.stat(new URL(linked, root)).then(() => true, () => false);
    const found = isThere && (anchor === undefined || anchorsOf(pages.get(linked) ?? "").includes(anchor));
    if (!found) problems.push(`${page} links to ${target}, which is not there`);
  }
  return problems;
}

test("all links lead somewhere", async () => {
  assert.ok(pages.size > 10);
  const problems = await Promise.all([...pages].map(([page, text]) => problemsOf(page, text)));
  assert.equal(problems.flat(), []);
});

test("links that lead nowhere are found", async () => {
  const text = "[a](glossary.md) [b](gone.md) [c](glossary.md#gone) [d](glossary.md#shape-letters)\n";
  assert.equal(await problemsOf("docs/x.md", text), [
    "docs/x.md links to gone.md, which is not there",
    "docs/x.md links to glossary.md#gone, which is not there",
  ]);
});

test("the picture of the lanes is what its script draws", async () => {
  const committed = await Deno.readTextFile(new URL("docs/pictures/lanes.svg", root));
  assert.is(committed, lanesPicture(), "run: deno run -A docs/pictures/lanes.ts");
});

test.run();
