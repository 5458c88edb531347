import { Buffer } from "node:buffer";
import { sha256 } from "../../platform/platform.ts";
import type { CommittedToken, Origin } from "../../spec/token-log.ts";
import type { BenchmarkRun, Results } from "../results.ts";
import { escapeMarkup } from "./draw.ts";
import script from "./page-script.js" with { type: "text" };
import styles from "./page.css" with { type: "text" };
import { ORIGIN_COLORS, STRATEGY_COLORS } from "./palette.ts";
import type { Picture } from "./pictures.ts";
import { type Case, casesOf, printable, spanOf, typicalCase } from "./runs.ts";

const ORIGINS: Readonly<Record<Origin, string>> = {
  accepted: "drafted and accepted",
  correction: "the verify model's correction of a draft",
  bonus: "the verify model's bonus after accepted drafts",
  verify: "the verify model's own, nothing was drafted",
};

/**
 * One HTML page with a benchmark's pictures and texts, each token coloured by who wrote it. It asks for nothing from
 * elsewhere, and shows everything where scripts don't run; with them, the runs that one picks. Equal pages for equal
 * results.
 */
export function renderPage(results: Results, pictures: readonly Picture[]): string {
  const { configuration, runs } = results;
  const cases = casesOf(results);
  const typical = cases.indexOf(typicalCase(cases, configuration.strategies));
  const shown = configuration.strategies.filter((name) => runs.some(({ strategy }) => strategy === name));
  const title = `${shown.join(", ")} on ${printable(configuration.dataset)}`;
  const hash = Buffer.from(sha256(script), "hex").toString("base64");
  const policy = `default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${hash}'; ` +
    "base-uri 'none'; form-action 'none'";
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${escapeMarkup(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>amusd: ${escapeMarkup(title)}</title>
<style>
${colorRules()}
${styles}</style>
</head>
<body>
<header>
<h1>${escapeMarkup(title)}</h1>
${facts(results, cases)}
</header>
<main>
<section>
${pictures.map(({ name, svg }) => `<figure id="${name}">${svg}</figure>`).join("\n")}
</section>
<section id="texts">
<h2>Who wrote which token</h2>
<form hidden>
<label>sample <select name="case">${
    cases.map(({ name }, at) =>
      `<option value="${at}"${at === typical ? " selected" : ""}>${escapeMarkup(name)}</option>`
    ).join("")
  }</select></label>
<label>strategy <select name="strategy"><option value="">all</option>${
    shown.map((name) => `<option${name === shown.at(-1) ? " selected" : ""}>${name}</option>`).join("")
  }</select></label>
</form>
<ul class="key">${
    Object.entries(ORIGINS).map(([origin, text]) => `<li><span class="${origin}">${origin}</span> ${text}</li>`).join(
      "",
    )
  }</ul>
${
    cases.flatMap(({ name, runs }, at) =>
      shown.flatMap((strategy) => {
        const run = runs.get(strategy);
        return run ? [renderRun(run, name, at)] : [];
      })
    ).join("\n")
  }
</section>
</main>
<script>${script}</script>
</body>
</html>
`;
}

function colorRules(): string {
  return [
    ...Object.entries(ORIGIN_COLORS).map(([name, color]) => `.${name} { --color: ${color}; }`),
    ...Object.entries(STRATEGY_COLORS).map(([name, color]) => `[data-strategy="${name}"] { --color: ${color}; }`),
  ].join("\n");
}

function facts({ created, program, configuration, runs }: Results, cases: readonly Case[]): string {
  const { models, devices } = configuration;
  const different = runs.filter(({ identical }) => !identical).length;
  const entries = [
    ...Object.keys(models).map((
      lane,
    ) => [`${lane} lane`, `${models[lane]} on ${devices[lane] ?? "an unknown device"}`]),
    ["answers", `${cases.length}, of at most ${configuration.maxTokens} tokens`],
    [
      "equality",
      different
        ? `${different} of ${runs.length} runs differ from the first strategy's`
        : "all strategies wrote the same",
    ],
    ["run", `${created}, amusd ${program.version}, ${program.runtime}, ${program.platform}`],
  ];
  return `<dl>${
    entries.map(([name, value]) => `<dt>${escapeText(name!)}</dt><dd>${escapeText(value!)}</dd>`).join("")
  }</dl>`;
}

function renderRun(run: BenchmarkRun, name: string, at: number): string {
  const { strategy, msPerToken, finishReason, prompt } = run;
  const pace = msPerToken === null ? "" : `, ${msPerToken.toFixed(1)} ms/token`;
  const figures = `${run.tokens.length} tokens${pace}, ended by ${finishReason}` +
    (run.identical ? "" : "; not the first strategy's tokens");
  return `<article data-case="${at}" data-strategy="${escapeMarkup(strategy)}">
<h3>${escapeMarkup(`${name}, ${strategy}`)} <small>${escapeText(figures)}</small></h3>
<details><summary>prompt</summary><pre>\n${escapeText(prompt)}</pre></details>
${renderTokens(run)}
</article>`;
}

/** The answer's tokens, coloured by origin. Results without the tokens' own texts show the text and empty boxes. */
function renderTokens(run: BenchmarkRun): string {
  const { startMs } = spanOf(run);
  const committed: (CommittedToken & { readonly ms: number })[] = run.events.flatMap((event) =>
    event.kind === "commit" ? event.tokens.map((token) => ({ ...token, ms: event.ms - startMs })) : []
  ).slice(0, run.tokens.length);
  const pieces = run.pieces?.length === committed.length ? run.pieces : undefined;
  const spans = committed.map(({ token, origin, ms }, i) => {
    const piece = pieces?.[i];
    const invisible = piece === undefined || piece === "" ? " empty" : piece.startsWith("\n") ? " newline" : "";
    const title = `token ${token}, ${origin}, after ${ms.toFixed(0)} ms`;
    return `<span class="token ${escapeMarkup(origin + invisible)}" title="${escapeMarkup(title)}">${
      escapeText(piece ?? "")
    }</span>`;
  });
  return (pieces ? "" : `<pre>\n${escapeText(run.text)}</pre>\n`) + `<pre class="tokens">\n${spans.join("")}</pre>`;
}

/** Escapes a text of many lines; characters that can't be shown are replaced as `printable` does. */
function escapeText(text: string): string {
  return escapeMarkup(text.split(/([\n\t])/).map((part) => /^[\n\t]$/.test(part) ? part : printable(part)).join(""));
}
