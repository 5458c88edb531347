// benchmark, stats and viz as their users have them: one after the other, as processes.

import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Results } from "../src/bench/results.ts";
import { randomModel } from "./random-models.ts";
import "./untuned.ts";

const root = new URL("../", import.meta.url);
const folder = await Deno.makeTempDir();
const at = (name: string) => `${folder}/${name}`;
Deno.writeFileSync(at("verify.gguf"), randomModel());
Deno.writeFileSync(at("draft.gguf"), randomModel({ ropeBase: 2000 }));
Deno.writeTextFileSync(
  at("data.jsonl"),
  ["one", "two", "three"].map((text) => JSON.stringify({ question_id: text, turns: [text, "and?"] })).join("\n"),
);
const MODELS = ["--verify-model-path", at("verify.gguf"), "--draft-model-path", at("draft.gguf")];
const BENCHMARK = ["benchmark", ...MODELS, "--dataset", at("data.jsonl"), "--max-new-tokens", "3"];

async function amusd(...args: string[]) {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "cli.ts", ...args],
    cwd: root,
    stdin: "null",
  });
  const { code, stdout, stderr } = await command.output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, stdout: out!, stderr: err!.replaceAll(/^Warning: max\w+ artificially reduced .*\n/gm, "") };
}

async function assertRefused(wanted: number, message: RegExp, ...args: string[]) {
  const { code, stdout, stderr } = await amusd(...args);
  assert.match(stderr, message);
  assert.match(stderr, /^[^\n]+\n$/);
  assert.is(stdout, "");
  assert.is(code, wanted);
}

test("a benchmark is written, counted and drawn", async () => {
  const file = at("d.json");
  const args = [...BENCHMARK, "--num-samples", "2", "--output-file", file, "--strategies", "greedy", "sd", "amusd"];
  const { code, stdout, stderr } = await amusd(...args);
  assert.is(stderr, "");
  assert.is(code, 0);
  assert.match(stdout, /^strategy .*\ngreedy +4 +12 .*yes\nsd +4 +12 .*yes\namusd +4 +12 .*yes\n$/);
  const results: Results = JSON.parse(Deno.readTextFileSync(file));
  assert.is(results.runs.length, 12);
  assert.equal(results.configuration.samples, [0, 1]);
  for (const { pieces, text, tokens } of results.runs) {
    assert.is(pieces!.join(""), text);
    assert.is(pieces!.length, tokens.length);
  }

  const stats = await amusd("stats", "--json", file);
  assert.equal(JSON.parse(stats.stdout).map((row: { strategy: string }) => row.strategy), ["greedy", "sd", "amusd"]);
  const viz = await amusd("viz", file, "--output", at("d"));
  assert.is(viz.code, 0, viz.stderr);
  assert.match(Deno.readTextFileSync(at("d.html")), "</html>");

  await assertRefused(2, /^Cannot write ".*d\.json": it is there already; give --force /, ...args);
  await assertRefused(2, /^Cannot resume ".*": its seed is 1, now 2; /, ...args, "--resume", "--seed", "2");
  // Other kernels may choose other tokens.
  const { configuration } = results;
  const mixed = { ...configuration, kernels: { ...configuration.kernels, verify: "split-7" } };
  Deno.writeTextFileSync(at("mixed.json"), JSON.stringify({ ...results, configuration: mixed }));
  await assertRefused(
    2,
    /^Cannot resume ".*": its kernels is \{"verify":"split-7","draft":"[\w-]+"\}, now \{"verify":"[\w-]+","draft":"[\w-]+"\}; /,
    ...BENCHMARK,
    "--output-file",
    at("mixed.json"),
    "--resume",
  );
  // As if it had been interrupted after seven answers.
  Deno.writeTextFileSync(file, JSON.stringify({ ...results, runs: results.runs.slice(0, 7) }));
  assert.is((await amusd(...args, "--resume")).code, 0);
  const resumed: Results = JSON.parse(Deno.readTextFileSync(file));
  const parts = ({ runs }: Results) =>
    runs.map(({ strategy, sample, turn, tokens }) => ({ strategy, sample, turn, tokens }));
  assert.equal(parts(resumed), parts(results));
  assert.equal(resumed.runs.slice(0, 7), results.runs.slice(0, 7));
});

test("what can't be done is refused in a line", async () => {
  await assertRefused(
    2,
    /"best" is no strategy: greedy, sd, amusd are there/,
    ...BENCHMARK,
    "--strategies",
    "greedy",
    "best",
  );
  await assertRefused(1, /^Cannot take 9 samples: the dataset has 3; /, ...BENCHMARK, "--num-samples", "9");
  await assertRefused(2, /^Cannot resume: give the --output-file /, ...BENCHMARK, "--resume");
  await assertRefused(
    1,
    /^Cannot write ".*": there is no such folder; /,
    ...BENCHMARK,
    "--output-file",
    at("none/d.json"),
  );
  Deno.writeTextFileSync(at("cut.json"), '{"format": "amu');
  await assertRefused(1, /^Cannot read ".*cut\.json": it is no JSON, or cut short; /, "stats", at("cut.json"));
  await assertRefused(1, /^Cannot read ".*none\.json": there is no such file; /, "stats", at("none.json"));
  await assertRefused(2, /^Cannot print in several forms: /, "stats", "--json", "--csv", at("cut.json"));
});

test.run();
