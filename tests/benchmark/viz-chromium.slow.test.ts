// The page in a real browser: nothing asked for, nothing complained of, and the runs that one picks.

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { renderPage } from "../../src/benchmark/viz/page.ts";
import { drawPictures } from "../../src/benchmark/viz/pictures.ts";
import { type BrowserPage, findChromium, withPage } from "./chromium.ts";
import { simulateBenchmark } from "./results-fixture.ts";

const chromium = findChromium();
if (!chromium) {
  console.log("skipped, there is no Chromium: the page is not opened; install one, or let $CHROMIUM name it");
}
const inBrowser = chromium ? test : test.skip;

const HOSTILE = `</pre></script><script>console.log("hurt")</script><img src="x.png" onerror="console.log('hurt')">`;
const results = await simulateBenchmark({
  samples: 3,
  tokens: 24,
  id: (sample) => sample === 2 ? HOSTILE : `sample/${sample}`,
  prompt: HOSTILE,
  piece: (token) => token % 5 ? ` word${token}` : token % 2 ? HOSTILE : "\n",
});
const folder = await Deno.makeTempDir();
const file = join(folder, "page.html");
const url = pathToFileURL(file).href;
if (chromium) await Deno.writeTextFile(file, renderPage(results, await drawPictures(results)));

const SHOWN = `Array.from(document.querySelectorAll("article")).filter((article) => article.checkVisibility())
  .map(({ dataset }) => dataset.case + " " + dataset.strategy)`;
const TOKENS = `Array.from(document.querySelectorAll("article"), (article) =>
  Array.from(article.querySelectorAll(".token"), (token) =>
    [token.classList[1], getComputedStyle(token).borderBottomColor, token.textContent]))`;

const pick = (name: string, value: string) =>
  `{ const select = document.querySelector("[name=${name}]");
    select.value = ${JSON.stringify(value)};
    select.dispatchEvent(new Event("change", { bubbles: true })); }`;

/** `use` in the page; then nothing but the page was asked for, and nobody complained. */
async function open(javaScript: boolean, use: (page: BrowserPage) => Promise<void>): Promise<void> {
  await withPage(chromium!, url, { javaScript }, async (page) => {
    await use(page);
    assert.equal(page.messages, []);
    assert.equal(page.requests, [url]);
  });
}

inBrowser("every token has its writer's colour and its own text", () =>
  open(true, async ({ evaluate }) => {
    const articles = await evaluate(TOKENS) as [origin: string, color: string, text: string][][];
    assert.is(articles.length, results.runs.length);
    const colors = new Map<string, string>();
    for (const [at, tokens] of articles.entries()) {
      const run = results.runs[at]!;
      const committed = run.events.flatMap((event) => event.kind === "commit" ? event.tokens : []);
      assert.equal(tokens.map(([origin]) => origin), committed.map(({ origin }) => origin));
      assert.equal(tokens.map(([, , text]) => text), run.pieces);
      for (const [origin, color] of tokens) colors.set(origin, color);
    }
    assert.is(new Set(colors.values()).size, 4);
  }));

inBrowser("one picks a sample and a strategy", () =>
  open(true, async ({ evaluate }) => {
    assert.is(await evaluate(`document.querySelector("form").checkVisibility()`), true);
    const [first] = await evaluate(SHOWN) as string[];
    assert.match(first!, / amusd$/);
    await evaluate(pick("case", "2"));
    assert.equal(await evaluate(SHOWN), ["2 amusd"]);
    await evaluate(pick("strategy", ""));
    assert.equal(await evaluate(SHOWN), ["2 greedy", "2 sd", "2 amusd"]);
    await evaluate(pick("strategy", "sd"));
    await evaluate(pick("case", "0"));
    assert.equal(await evaluate(SHOWN), ["0 sd"]);
  }));

inBrowser("without scripts all runs and pictures are shown", () =>
  open(false, async ({ evaluate }) => {
    assert.is((await evaluate(SHOWN) as string[]).length, results.runs.length);
    assert.is(await evaluate(`document.querySelector("form").checkVisibility()`), false);
    assert.is(await evaluate(`document.querySelectorAll("figure svg").length`), 5);
  }));

inBrowser(
  "the pictures fit the page, and their texts are as light as the page is dark",
  () =>
    open(true, async ({ evaluate }) => {
      const fit = `Array.from(document.querySelectorAll("figure")).every((figure) =>
      figure.scrollWidth <= figure.clientWidth && figure.getBoundingClientRect().height > 100)`;
      assert.is(await evaluate(fit), true);
      const ink =
        `getComputedStyle(document.querySelector("figure text")).fill === getComputedStyle(document.body).color`;
      assert.is(await evaluate(ink), true);
    }),
);

test.after(() => Deno.remove(folder, { recursive: true }));

test.run();
