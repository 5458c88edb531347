// How sources and pages are written, held by reading them: lines that fit on a screen, doc comments that are sentences.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { git, isRepository } from "./git.ts";

const root = new URL("../", import.meta.url);
const READ = /\.(ts|js|mjs|wgsl|md)$/;
const LONGEST = 120;
/** A doc comment that begins with a genitive is half a sentence: "Of each pass, in ms". */
const HALF_SENTENCE = /\/\*\*[\s*]*Of\s/g;

/** All that one file has against it, a line each. */
function problemsOf(path: string, text: string): string[] {
  const long = text.split("\n").flatMap((line, i) => {
    const { length } = [...line];
    return length > LONGEST ? [`${path}:${i + 1} has ${length} characters, at most ${LONGEST}`] : [];
  });
  const half = [...text.matchAll(HALF_SENTENCE)].map(({ index }) => {
    const line = text.slice(0, index).split("\n").length;
    return `${path}:${line} has a doc comment that begins with "Of": write a sentence`;
  });
  return [...long, ...half];
}

if (!isRepository) console.log("skipped: git lists the files, and this is no repository");
(isRepository ? test : test.skip)("no line is too long, and no doc comment is half a sentence", async () => {
  const { stdout } = await git("ls-files", "--cached", "--others", "--exclude-standard");
  const paths = stdout.split("\n").filter((path) => READ.test(path));
  assert.ok(paths.length > 300, `${paths.length} files`);
  const problems = await Promise.all(paths.map(async (path) => {
    // A file that was removed stays in git's list until that is staged.
    const text = await Deno.readTextFile(new URL(path, root)).catch(() => "");
    return problemsOf(path, text);
  }));
  assert.equal(problems.flat(), []);
});

test("each fault is found", () => {
  // In pieces, so that this file passes its own test.
  const [open, of] = ["/**", "Of"];
  const text = [
    `${open} ${of} the run, in ms. */`,
    `${open} A time of the run. Of all times it is the shortest. */`,
    open,
    ` * ${of} two lines.`,
    " */",
    "é🙂".repeat(60),
    "x".repeat(121),
  ].join("\n");
  assert.equal(problemsOf("a.ts", text), [
    "a.ts:7 has 121 characters, at most 120",
    'a.ts:1 has a doc comment that begins with "Of": write a sentence',
    'a.ts:3 has a doc comment that begins with "Of": write a sentence',
  ]);
});

test.run();
