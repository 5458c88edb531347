// The page of a simulated benchmark, as text: what is in it, and that nothing in the results gets out of its place.

import { createHash } from "node:crypto";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Results } from "../../src/benchmark/results.ts";
import { renderPage } from "../../src/benchmark/viz/page.ts";
import { simulateBenchmark } from "./results-fixture.ts";

const PICTURES = [{ name: "tokens", svg: "<svg></svg>" }] as const;
const results = await simulateBenchmark({ samples: 2, turns: 2, tokens: 20 });
const page = renderPage(results, PICTURES);

/** The articles by case and strategy, as text. */
function articlesOf(page: string): Map<string, string> {
  const articles = page.matchAll(/<article data-case="(\d+)" data-strategy="(\w+)">(.*?)<\/article>/gs);
  return new Map(Array.from(articles, ([, at, strategy, content]) => [`${at} ${strategy}`, content!]));
}

const tokensOf = (article: string) =>
  Array.from(
    article.matchAll(/<span class="token (\w+)[^"]*" title="token (\d+), [^"]*">([^<]*)<\/span>/g),
    ([, origin, token, text]) => ({ origin, token: Number(token), text: unescape(text!) }),
  );

const unescape = (html: string) => html.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(code));

test("each run is there with each token, its text and who wrote it", () => {
  const articles = articlesOf(page);
  assert.is(articles.size, results.runs.length);
  for (const run of results.runs) {
    const tokens = tokensOf(articles.get(`${2 * run.sample + run.turn} ${run.strategy}`)!);
    const committed = run.events.flatMap((event) => event.kind === "commit" ? event.tokens : []);
    assert.equal(
      tokens.map(({ token, origin }) => ({ token, origin })),
      committed.map(({ token, origin }) => ({ token, origin })),
    );
    assert.is(tokens.map(({ text }) => text).join(""), run.text);
  }
});

test("without the tokens' texts there is the whole text, and a box for each token", async () => {
  const runs = results.runs.map(({ pieces: _, ...run }) => run);
  const articles = articlesOf(renderPage({ ...results, runs }, PICTURES));
  const article = articles.get("0 greedy")!;
  assert.is(tokensOf(article).length, 20);
  assert.ok(tokensOf(article).every(({ text }) => text === ""));
  assert.ok(unescape(article).includes(`<pre>\n${results.runs[0]!.text}</pre>`));
});

test("a text that a stop string cut has no more tokens than its record", async () => {
  const [run] = results.runs;
  const cut: Results = {
    ...results,
    runs: [{ ...run!, tokens: run!.tokens.slice(0, 7), pieces: run!.pieces!.slice(0, 7) }],
  };
  assert.is(tokensOf(renderPage(cut, PICTURES)).length, 7);
});

test("it asks for nothing from elsewhere, and allows its own script alone", () => {
  const markup = page.replace(/<script>.*?<\/script>/s, "");
  assert.not.match(markup, /\b(src|href|action)=|@import|url\((?!#)|<(link|iframe|img|base|object)\b/);
  const scripts = Array.from(page.matchAll(/<script>(.*?)<\/script>/gs), ([, script]) => script!);
  assert.is(scripts.length, 1);
  const hash = createHash("sha256").update(scripts[0]!).digest("base64");
  assert.ok(unescape(page).includes(`default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${hash}';`));
});

const HOSTILE = `</pre></script><script>alert(1)</script><img src=x onerror="alert(2)">'"&amp;<!--\0\r\x1b\ud800`;

test("no text can break the page", async () => {
  const hostile = await simulateBenchmark({
    samples: 1,
    tokens: 9,
    id: () => HOSTILE,
    prompt: HOSTILE,
    piece: () => HOSTILE,
  });
  const { configuration, program } = hostile;
  const page = renderPage({
    ...hostile,
    created: HOSTILE,
    program: { ...program, platform: HOSTILE },
    configuration: {
      ...configuration,
      dataset: HOSTILE,
      models: { [HOSTILE]: HOSTILE },
      devices: { [HOSTILE]: HOSTILE },
    },
  }, PICTURES);
  assert.is(page.match(/<script/g)!.length, 1);
  assert.not.match(page, /<img|<!--|[\0\r\x1b]/);
  assert.ok(page.isWellFormed());
  for (const article of articlesOf(page).values()) {
    assert.is(tokensOf(article).length, 9);
    assert.is(tokensOf(article)[0]!.text, HOSTILE.replace("\0\r\x1b\ud800", "\u2400\u240d\u241b\ufffd"));
  }
});

test("runs that differ are told of", async () => {
  assert.match(page, "all strategies wrote the same");
  const runs = results.runs.map((run, i) => ({ ...run, identical: i !== 1 }));
  const told = renderPage({ ...results, runs }, PICTURES);
  assert.match(told, "1 of 12 runs differ from the first strategy&#39;s");
  assert.is(told.match(/not the first strategy&#39;s tokens/g)!.length, 1);
});

test("equal results give equal pages", async () => {
  assert.is(renderPage(structuredClone(results), PICTURES), page);
});

test.run();
