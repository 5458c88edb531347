// benchmark, stats and viz as their users have them: one after the other, as processes.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { Ajv2020 } from "ajv/dist/2020.js";
import { parseInterrupted, type Results, resultsText } from "../../src/benchmark/results.ts";
import schema from "../../src/benchmark/results.schema.json" with { type: "json" };
import { randomModel } from "../random-models.ts";
import { at, MODELS, write } from "./fixture.ts";
import { amusd, assertRefused, command } from "./host.ts";

write(
  "data.jsonl",
  ["one", "two", "three"].map((text) => JSON.stringify({ question_id: text, turns: [text, "and?"] })).join("\n"),
);
const BENCHMARK = ["benchmark", ...MODELS, "--dataset", at("data.jsonl"), "--max-tokens", "3"];

async function assertRefusal(wanted: number, message: RegExp, ...args: string[]) {
  assertRefused(await amusd(...args), wanted, message);
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
  const validate = new Ajv2020({ allowUnionTypes: true }).compile(schema);
  assert.ok(validate(results), JSON.stringify(validate.errors));
  const software = /llvmpipe|swiftshader/i.test(results.configuration.devices.verify!);
  for (const { monitor, events } of results.runs) {
    assert.ok(monitor.length >= 2, "a run is seen as it begins and as it ends");
    const start = events.find((event) => event.kind === "start")!;
    assert.ok(monitor[0]!.ms <= start.ms && start.ms < monitor.at(-1)!.ms, "on one clock");
    if (!software) continue;
    for (const { devices } of monitor) {
      assert.equal(devices.map(({ name, powerWatts }) => ({ name, powerWatts })), [
        { name: "verify, draft", powerWatts: null },
      ]);
      assert.ok(devices[0]!.memoryBytes! > 2 ** 20);
    }
    assert.ok(monitor.at(-1)!.devices[0]!.utilization! > 0);
  }

  const stats = await amusd("stats", "--json", file);
  assert.equal(JSON.parse(stats.stdout).map((row: { strategy: string }) => row.strategy), ["greedy", "sd", "amusd"]);
  const viz = await amusd("viz", file, "--output", at("d"));
  assert.is(viz.code, 0, viz.stderr);
  assert.match(Deno.readTextFileSync(at("d.html")), "</html>");

  await assertRefusal(2, /^Cannot write ".*d\.json": it is there already; give --force /, ...args);
  await assertRefusal(2, /^Cannot resume ".*": its seed is 1, now 2; /, ...args, "--resume", "--seed", "2");
  // Another variant of the kernels may choose other tokens.
  const { configuration } = results;
  const mixed = { ...configuration, variants: { ...configuration.variants, verify: "split-7" } };
  Deno.writeTextFileSync(at("mixed.json"), resultsText({ ...results, configuration: mixed }));
  await assertRefusal(
    2,
    /^Cannot resume ".*": its variants is \{"verify":"split-7","draft":"[\w-]+"\}, now \{("\w+":"[\w-]+",?){2}\}; /,
    ...args.filter((arg) => arg !== "--output-file" && arg !== file),
    "--output-file",
    at("mixed.json"),
    "--resume",
  );
  // As if it had been interrupted in the middle of writing the eighth answer.
  const lines = Deno.readTextFileSync(file).split("\n");
  Deno.writeTextFileSync(file, [...lines.slice(0, 8), lines[8]!.slice(0, 100)].join("\n"));
  await assertRefusal(1, /^Cannot read ".*d\.json": it is no JSON, or cut short; .* --resume\n$/, "stats", file);
  assert.is((await amusd(...args, "--resume")).code, 0);
  const resumed: Results = JSON.parse(Deno.readTextFileSync(file));
  assert.equal(parts(resumed), parts(results));
  assert.equal(resumed.runs.slice(0, 7), results.runs.slice(0, 7));
});

/** The results as a program wrote them whose version of the format was 2. */
function asVersion2(results: Results): string {
  const renamed: [string, string][] = [
    ['"version":3', '"version":2'],
    ['"maxTokens":', '"maxTokens":'],
    ['"variants":', '"kernels":'],
    ['"finishReason":', '"finish":'],
    ['"launch":"adaptive"', '"launch":"best"'],
  ];
  return renamed.reduce((text, [now, then]) => text.replaceAll(now, then), resultsText(results));
}

test("results of the version before are counted, drawn and gone on with", async () => {
  const file = at("old.json");
  const args = [...BENCHMARK, "--num-samples", "1", "--output-file", file];
  assert.is((await amusd(...args)).code, 0);
  const whole: Results = JSON.parse(Deno.readTextFileSync(file));
  const stats = await amusd("stats", "--json", file);
  write("old.json", asVersion2(whole));
  assert.equal(await amusd("stats", "--json", file), stats);
  const viz = await amusd("viz", file, "--output", at("old"));
  assert.is(viz.code, 0, viz.stderr);
  write("old.json", asVersion2({ ...whole, runs: whole.runs.slice(0, 2) }));
  const { code, stderr } = await amusd(...args, "--resume");
  assert.is(code, 0, stderr);
  const resumed: Results = JSON.parse(Deno.readTextFileSync(file));
  assert.is(resumed.version, 3);
  assert.equal(resumed.configuration, whole.configuration);
  assert.equal(parts(resumed), parts(whole));
  assert.equal(resumed.runs.slice(0, 2), whole.runs.slice(0, 2));
});

const parts = ({ runs }: Results) =>
  runs.map(({ strategy, sample, turn, tokens }) => ({ strategy, sample, turn, tokens }));

test("what has been killed in the middle is resumed, and no answer but the one in flight is lost", async () => {
  const [data, file, whole] = [at("long.jsonl"), at("killed.json"), at("whole.json")];
  const questions = Array.from({ length: 8 }, (_, i) => JSON.stringify({ question_id: i, turns: [`${i}`, "and?"] }));
  Deno.writeTextFileSync(data, questions.join("\n"));
  const args = (file: string) => [
    "benchmark",
    ...MODELS,
    "--dataset",
    data,
    "--max-tokens",
    "3",
    "--output-file",
    file,
  ];
  const killed = command(args(file), { stdout: "null", stderr: "null" }).spawn();
  const text = () => {
    try {
      return Deno.readTextFileSync(file);
    } catch {
      return "";
    }
  };
  let seen = 0;
  while (seen < 5) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    seen = (text().match(/\n,?\{/g) ?? []).length;
  }
  killed.kill("SIGKILL");
  await killed.status;
  const left = parseInterrupted(text(), "killed");
  assert.ok(left.runs.length >= seen - 1 && left.runs.length < 48, `${left.runs.length} of ${seen} seen`);
  const resumed = await amusd(...args(file), "--resume");
  assert.is(resumed.code, 0, resumed.stderr);
  assert.is((await amusd(...args(whole))).code, 0);
  const [got, wanted] = [file, whole].map((name): Results => JSON.parse(Deno.readTextFileSync(name)));
  assert.equal(parts(got!), parts(wanted!));
  assert.equal(got!.runs.slice(0, left.runs.length), left.runs);
});

test("a benchmark of sampled texts: all strategies draw the same", async () => {
  const file = at("sampled.json");
  const args = [...BENCHMARK, "--num-samples", "1", "--output-file", file, "--seed", "3"];
  const { code, stdout, stderr } = await amusd(...args, "--temperature", "0.9", "--top-p", "0.9");
  assert.is(code, 0, stderr);
  assert.match(stdout, /^strategy .*\ngreedy .*yes\nsd .*yes\namusd .*yes\n$/);
  const { configuration, runs }: Results = JSON.parse(Deno.readTextFileSync(file));
  const sampling = { temperature: 0.9, topK: 0, topP: 0.9, minP: 0, seed: 3 };
  assert.equal(configuration.sampling, sampling);
  assert.ok(runs.every((run) => JSON.stringify(run.sampling) === JSON.stringify(sampling)));
  await assertRefusal(2, /^Cannot resume ".*": its sampling is \{.*\}, now null; /, ...args, "--resume");
});

test("the last turn alone is answered where that is asked for, and rows without a prompt are told", async () => {
  const roles = ["system", "user", "assistant", "user", "assistant"];
  const data = write(
    "last.jsonl",
    [[], roles, ["user"]].map((roles) =>
      JSON.stringify({ messages: roles.map((role, i) => ({ role, content: `${i}${i}${i}` })) })
    ).join("\n"),
  );
  const file = at("last.json");
  const args = ["benchmark", ...MODELS, "--dataset", data, "--strategies", "greedy", "--max-tokens", "2", "--raw"];
  const { code, stderr } = await amusd(...args, "--turns", "last", "--output-file", file);
  assert.is(code, 0, stderr);
  assert.match(stderr, /^Skipped a row without a prompt of ".*last\.jsonl": line 1 has no prompt in "messages"\n$/);
  const { configuration, runs }: Results = JSON.parse(Deno.readTextFileSync(file));
  assert.equal(configuration.samples, [1, 2]);
  assert.equal([configuration.skipped, configuration.turns, configuration.raw], [1, "last", true]);
  assert.equal(runs.map(({ sample, turn, prompt }) => [sample, turn, prompt]), [[1, 0, "333"], [2, 0, "000"]]);
  // Each byte is a token.
  assert.equal(runs.map(({ promptTokens }) => promptTokens.length), ["000\n\n111\n\n222\n\n333".length, 3]);
  const resumed = await amusd(...args, "--output-file", file, "--resume");
  assert.is(resumed.code, 2);
  assert.match(resumed.stderr, /\nCannot resume ".*": its turns is "last", now "all"; .*\n$/);
});

test("a model without a chat template is benchmarked by raw prompts", async () => {
  const base = write("base.gguf", randomModel({ metadata: [["tokenizer.chat_template", "u32", 1]] }));
  const file = at("raw.json");
  const args = ["benchmark", "--verify-model-path", base, "--strategies", "greedy", "--max-tokens", "2"];
  const dataset = [...args, "--dataset", at("data.jsonl"), "--num-samples", "1"];
  await assertRefusal(1, /^Cannot render a chat: .*; give the prompt as it is with --raw\n$/, ...dataset);
  const { code, stderr } = await amusd(...dataset, "--raw", "--output-file", file);
  assert.is(code, 0, stderr);
  const { configuration, runs }: Results = JSON.parse(Deno.readTextFileSync(file));
  assert.is(configuration.raw, true);
  assert.is(runs[0]!.promptTokens.length, "one".length);
  assert.is(runs.length, 2);
});

test("samples that the model can't take are told and left out", async () => {
  const data = write(
    "long-first.jsonl",
    ["x".repeat(300), "short"].map((prompt) => JSON.stringify({ prompt })).join("\n"),
  );
  const { code, stdout, stderr } = await amusd(
    ...["benchmark", ...MODELS, "--dataset", data, "--strategies", "greedy", "--max-tokens", "2"],
  );
  assert.is(code, 0, stderr);
  assert.match(
    stderr,
    /^Skipped a row that the model can't take: Cannot generate after a prompt of 3\d\d tokens: .*\n$/,
  );
  assert.match(stdout, /^strategy .*\ngreedy +1 /);
});

test("what can't be done is refused in a line", async () => {
  await assertRefusal(
    2,
    /"best" is no strategy: greedy, sd, amusd are there/,
    ...BENCHMARK,
    "--strategies",
    "greedy",
    "best",
  );
  await assertRefusal(1, /^Cannot take 9 samples: the dataset has 3; /, ...BENCHMARK, "--num-samples", "9");
  await assertRefusal(2, /^Cannot resume: give the --output-file /, ...BENCHMARK, "--resume");
  Deno.writeTextFileSync(at("cut.json"), '{"format": "amu');
  await assertRefusal(
    1,
    /^Cannot write ".*": on the way ".*" is no folder; /,
    ...BENCHMARK,
    "--output-file",
    at("cut.json/d.json"),
  );
});

test.run();
