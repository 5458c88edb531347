import { test } from "uvu";
import * as assert from "uvu/assert";
import { at, write } from "./fixture.ts";
import { amusd, assertRefused } from "./host.ts";

const RESULTS = new URL("../benchmark/fixtures/results-version-2.json", import.meta.url).pathname;

test("stats prints the same figures as a table, as Markdown, as CSV and as JSON", async () => {
  const printed = async (...flags: string[]) => {
    const { code, stdout, stderr } = await amusd("stats", ...flags, RESULTS);
    assert.equal([code, stderr], [0, ""]);
    return stdout;
  };
  const rows: { strategy: string; msPerToken: { mean: number } }[] = JSON.parse(await printed("--json"));
  assert.ok(rows.length > 1);
  const [table, markdown, csv] = [await printed(), await printed("--markdown"), await printed("--csv")];
  for (const { strategy, msPerToken } of rows) {
    const figure = msPerToken.mean.toFixed(2).replace(".", "\\.");
    assert.match(table, new RegExp(`^.*\\b${strategy}\\b.*\\b${figure}\\b`, "m"));
    assert.match(markdown, new RegExp(`^\\|.*\\b${strategy}\\b.*\\b${figure}\\b.*\\|$`, "m"));
  }
  const [head, ...lines] = csv.trimEnd().split("\n");
  assert.is(lines.length, rows.length);
  assert.ok(lines.every((line) => line.split(",").length === head!.split(",").length));
});

test("what stats can't read, or how it can't print, gets one line", async () => {
  const cut = write("cut.json", '{"format": "amu');
  const refused = async (code: number, message: RegExp, ...args: string[]) =>
    assertRefused(await amusd("stats", ...args), code, message);
  await refused(1, /^Cannot read ".*cut\.json": it is no JSON, or cut short; /, cut);
  await refused(1, /^Cannot read ".*none\.json": there is no such file; /, at("none.json"));
  await refused(2, /^Cannot print in several forms: /, "--json", "--csv", cut);
});

test.run();
