import { test } from "uvu";
import * as assert from "uvu/assert";
import { cliPage } from "../../docs/guide/cli.ts";
import { COMMANDS } from "../../src/cli/commands.ts";

const page = await Deno.readTextFile(new URL("../../docs/guide/cli.md", import.meta.url));

test("docs/guide/cli.md is what `deno task docs` makes of the commands", async () => {
  assert.is(page, await cliPage(page));
});

test("it tells each flag of each command, and no line is longer than 120 characters", () => {
  const sections = page.split(/^## /m);
  for (const [name, { parameters }] of Object.entries(COMMANDS)) {
    const section = sections.find((text) => text.startsWith(`${name}\n`));
    for (const flag of Object.keys(parameters.flags ?? {})) assert.match(section!, new RegExp(`\`--${flag}[ \`]`));
  }
  assert.equal(page.split("\n").filter((line) => line.length > 120), []);
});

test("a page without the mark is refused", async () => {
  const error = await cliPage("# The command line\n").catch((error) => error);
  assert.match(error.message, /^Cannot make docs\/guide\/cli\.md: it lacks the line .*; put it back$/);
});

test.run();
