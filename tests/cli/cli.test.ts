// The command line as its users have it: as a process, with files, pipes and signals.

import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Plan } from "../../src/plan/plan.ts";
import type { Profile } from "../../src/cli/profile.ts";
import type { GenerationRecord } from "../../src/engine/generation-run.ts";
import { amusd, command, DAWN_LINE, finish, isNode, type Outcome } from "./host.ts";
import { type RandomLlama, randomLlama } from "../checkpoint/gguf-builder.ts";
import { SMALL } from "../llama/llama-fixture.ts";
import { randomLlamaFolder, writeFolder } from "../checkpoint/safetensors-builder.ts";
import { randomModel, TRAINED_CONTEXT } from "../random-models.ts";
import "../untuned.ts";

const root = new URL("../../", import.meta.url);
const folder = await Deno.makeTempDir();
const at = (name: string) => `${folder}/${name}`;
const verifyPath = at("verify.gguf");
const draftPath = at("draft.gguf");
Deno.writeFileSync(verifyPath, randomModel());
Deno.writeFileSync(draftPath, randomModel({ ropeBase: 2000 }));
const MODELS = ["--verify-model-path", verifyPath, "--draft-model-path", draftPath];
const VERIFY = MODELS.slice(0, 2);

const onUnix = Deno.build.os === "windows" ? test.skip : test;

function spawn(args: readonly string[], stdin: "null" | "piped" = "null"): Deno.ChildProcess {
  return command(args, { stdin, stdout: "piped", stderr: "piped" }).spawn();
}

/** Writes a file into the tests' folder; returns its path. */
function write(name: string, content: string | Uint8Array): string {
  Deno.writeFileSync(at(name), typeof content === "string" ? new TextEncoder().encode(content) : content);
  return at(name);
}

/** One line on stderr, nothing on stdout, and the exit code. */
function assertRefused({ code, stdout, stderr }: Outcome, wanted: number, message: RegExp): void {
  assert.match(stderr, message);
  assert.match(stderr, /^[^\n]+\n$/);
  assert.is(stdout, "");
  assert.is(code, wanted);
}

function recordOf({ code, stdout, stderr }: Outcome): GenerationRecord {
  assert.is(code, 0, stderr);
  assert.match(stdout, /^[^\n]+\n$/);
  return JSON.parse(stdout);
}

const modelPath = (name: string) => fileURLToPath(new URL(`models/${name}`, root));
/** The embedded pair, which the npm package comes without. */
const EMBEDDED = [
  "--verify-model-path",
  modelPath("smollm2-135m-instruct-q4_1.gguf"),
  "--draft-model-path",
  modelPath("smollm2-draft-42m-q8_0.gguf"),
];

/** The embedded pair's greeting, the default command with nothing else said, runs beside the first tests. */
const embedded = amusd(...isNode ? EMBEDDED : [], "--prompt", "Hello", "--max-new-tokens", "12");

test("text goes to stdout, the summary to stderr, and both are plain where that is no terminal", async () => {
  const { code, stdout, stderr } = await embedded;
  assert.is(code, 0, stderr);
  assert.match(stdout, /^Hello! [^\n]+\n$/);
  const lines = stderr.trimEnd().split("\n");
  assert.is(lines.length, 5, stderr);
  assert.match(lines[0]!, /^amusd: \d+ tokens, \d+\.\d ms\/token, first after \d+ ms$/);
  assert.match(
    lines[1]!,
    /^\d+ verifications of \d+\.\d\d tokens; \d+ drafted, \d+ accepted \((\d\.\d\d|-) of the verified\)$/,
  );
  assert.match(lines[2]!, /^verify on .*: busy \d+ ms \(\d+ %\), idle \d+ ms$/);
  assert.match(lines[3]!, /^draft on .*: busy \d+ ms \(\d+ %\), idle \d+ ms$/);
  assert.match(lines[4]!, /^both busy at once: \d+ ms \(\d+ %\)$/);
  assert.not.match(stdout + stderr, "\x1b");
});

test("--profile adds the kernels' times to the summary, with --json to the record", async () => {
  const args = [
    "--prompt",
    "The",
    "--raw",
    "--max-new-tokens",
    "8",
    "--strategy",
    "sd",
    "--context",
    "32",
    "--profile",
  ];
  const told = await amusd(...MODELS, ...args);
  assert.is(told.code, 0, told.stderr);
  for (const lane of ["verify", "draft"]) {
    assert.match(told.stderr, new RegExp(`^${lane} on .+, kernels "[\\w-]+"; its limits`, "m"));
  }
  const step = / at position 11: \d+\.\d\d ms, \d+ dispatches; /;
  for (const what of ["decode step", "verification of 6 rows", "draft step"]) {
    assert.match(told.stderr, new RegExp(`^${what}${step.source}`, "m"));
  }
  assert.match(told.stderr, /^gate and up +\d+ /m);

  const record = recordOf(await amusd(...MODELS, ...args, "--json")) as GenerationRecord & { profile: Profile };
  assert.equal(Object.keys(record.profile), ["verify", "draft"]);
  assert.equal(record.profile.verify!.steps.map(({ rows }) => rows), [1, 6]);
  assert.equal(record.profile.draft!.steps.map(({ rows, position }) => [rows, position]), [[1, 11]]);
  assert.is(record.profile.verify!.variant, record.variants.verify);
});

test("plan takes a recorded run's times and chances, or profiles, and writes a trace", async () => {
  const [record, trace] = [at("recorded.json"), at("planned.json")];
  const made = await amusd(
    ...MODELS,
    "--prompt",
    "a",
    "--max-new-tokens",
    "100",
    "--launch",
    "fixed:3",
    "--output-file",
    record,
  );
  assert.is(made.code, 0, made.stderr);
  const sizes = ["--tokens", "40", "--runs", "1"];
  const recorded = await amusd("plan", "--times", record, "--record", record, ...sizes, "--json");
  assert.is(recorded.code, 0, recorded.stderr);
  const { rows, use } = JSON.parse(recorded.stdout) as Plan;
  assert.is(rows[0]!.setting, "greedy");
  assert.ok(rows.some(({ setting }) => setting === use));
  const planned = await amusd("plan", "--acceptance", "0.9", ...sizes, "--trace", trace);
  assert.match(planned.stdout, /^setting .*\ngreedy .*\nsd --lookahead 5 [^]*\nuse: --strategy [a-z]/);
  assert.ok(JSON.parse(Deno.readTextFileSync(trace)).traceEvents.length > 40);
  assertRefused(
    await amusd("plan", ...sizes, "--trace", trace),
    2,
    /^Cannot write ".*planned\.json": it is there already; /,
  );
  assert.match((await amusd("plan", "--profiles")).stdout, /"rtx-4090"/);
});

test("tune refuses a device that isn't there", async () => {
  assertRefused(
    await amusd("tune", "--device", "nope"),
    1,
    /^Cannot use device "nope": no adapter has this index or name;/,
  );
});

const RECORD_FIELDS = [
  "strategy",
  "models",
  "devices",
  "variants",
  "promptTokens",
  "tokens",
  "text",
  "ttftMs",
  "msPerToken",
  "drafted",
  "accepted",
  "verifications",
  "lanes",
  "events",
];

test("--json, --output-file and --trace write the same run, for generate by name too", async () => {
  const files = ["--output-file", at("record.json"), "--trace", at("trace.json")];
  const outcome = await amusd(
    "generate",
    ...MODELS,
    "--prompt",
    "The",
    "--raw",
    "--max-new-tokens",
    "40",
    "--json",
    ...files,
  );
  const record = recordOf(outcome);
  for (const field of RECORD_FIELDS) assert.ok(field in record, field);
  assert.is(record.strategy, "amusd");
  assert.equal(record.models, { verify: verifyPath, draft: draftPath });
  assert.is(record.tokens.length, 40);
  assert.equal(record.promptTokens, [84, 104, 101]);
  assert.equal(record.lanes.map((lane) => Object.keys(lane)), Array(2).fill(["name", "busyMs", "idleMs"]));
  assert.equal(JSON.parse(Deno.readTextFileSync(at("record.json"))), record);
  assert.match(outcome.stderr, /^amusd: 40 tokens, [\d.]+ ms\/token, /);

  const { traceEvents } = JSON.parse(Deno.readTextFileSync(at("trace.json")));
  assert.equal(
    traceEvents.filter(({ ph }: { ph: string }) => ph === "M").map(({ args }: { args: { name: string } }) => args.name),
    ["host", "verify", "draft"],
  );
  for (const { ph, ts, dur } of traceEvents) {
    assert.ok(ph === "M" || Number.isFinite(ts));
    assert.ok(ph !== "X" || dur >= 0);
  }
  assert.equal((await Array.fromAsync(Deno.readDir(folder))).filter(({ name }) => name.endsWith(".part")), []);
});

/** How many tokens the prompt has that the command finds: read off the message that it doesn't fit, without a device. */
async function promptLength(args: readonly string[], stdin?: string): Promise<number> {
  const child = spawn([...VERIFY, "--context", "2", ...args], stdin === undefined ? "null" : "piped");
  if (stdin !== undefined) {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(stdin));
    await writer.close();
  }
  const { code, stderr } = await finish(child);
  assert.is(code, 1);
  const message = /^Cannot generate after a prompt of (\d+) tokens: .*\n$/;
  assert.match(stderr, message);
  return Number(stderr.match(message)![1]);
}

test("the prompt comes from a flag, a file, stdin or a dataset", async () => {
  const text = "0 1\nü 2"; // Each byte is a token.
  const promptFile = write("prompt.txt", text);
  const row = (i: number) => `{"task_id":"HE/${i}","prompt":"${"7".repeat(10 + i)}"}\n`;
  const humanEval = write("he.jsonl", row(0) + row(1) + row(2));
  const mtBench = write("mt.jsonl", '{"question_id":81,"turns":["0 0 0 0","2"]}\n');
  assert.equal(
    await Promise.all([
      promptLength(["--raw", "--prompt", text]),
      promptLength(["--raw", "--prompt=--raw"]),
      promptLength(["--raw", "--prompt-file", promptFile]),
      promptLength(["--raw", "--prompt-file", "-"], text),
      promptLength(["--raw", "--prompt", "-"], text),
      promptLength(["--dataset", humanEval]),
      promptLength(["--dataset", humanEval, "--sample-index", "2"]),
      promptLength(["--raw", "--dataset", mtBench]),
    ]),
    [8, 5, 8, 8, 8, 10, 12, 7],
  );
  assert.is(await promptLength(["--dataset", mtBench]), await promptLength(["--prompt", "0 0 0 0"]));
});

test("--stop, --strategy, --lookahead and the devices by name and index", async () => {
  const [{ name }, ...others] = JSON.parse((await amusd("devices", "--json")).stdout);
  const last = others.length;
  const run = ["--raw", "--prompt", "The", "--max-new-tokens", "20"];
  const record = recordOf(
    await amusd(
      ...MODELS,
      ...run,
      "--strategy",
      "sd",
      "--lookahead",
      "3",
      "--json",
      "--verify-device",
      name.slice(0, 6).toUpperCase(),
      "--draft-device",
      `${last}`,
      "--kv-cache",
      "f32",
    ),
  );
  assert.is(record.strategy, "sd");
  assert.equal(record.devices, { verify: name, draft: others.at(-1)?.name ?? name });
  for (const event of record.events) {
    if (event.kind === "operation" && event.lane === "verify") assert.ok(event.tokens.length <= 4);
  }
  const stop = record.text.slice(4, 6);
  const { code, stdout, stderr } = await amusd(
    ...VERIFY,
    ...run,
    "--stop",
    "none such",
    "--stop",
    stop,
    "--kv-cache",
    "f32",
  );
  assert.is(code, 0);
  assert.is(stdout, record.text.slice(0, record.text.indexOf(stop)) + "\n");
  assert.match(stderr, /^greedy: \d+ tokens, .*\nverify on [^\n]*\n$/);
});

test("--temperature, --top-k, --top-p, --min-p and --seed draw the same text by each strategy", async () => {
  const run = [...MODELS, "--raw", "--prompt", "The", "--max-new-tokens", "20", "--json"];
  const filters = ["--top-k", "50", "--top-p", "0.9", "--min-p", "0.01"];
  const draw = async (...flags: string[]) => recordOf(await amusd(...run, "--temperature", "0.8", ...flags));
  const drawn = await draw("--seed", "7", ...filters, "--strategy", "greedy");
  assert.equal(drawn.sampling, { temperature: 0.8, topK: 50, topP: 0.9, minP: 0.01, seed: 7 });
  assert.equal((await draw("--seed", "7", ...filters, "--strategy", "sd")).tokens, drawn.tokens);
  assert.not.equal((await draw("--seed", "8", ...filters)).tokens, drawn.tokens);
  const { code, stderr } = await amusd(...run.slice(0, -1), "--temperature", "1", "--seed", "5");
  assert.is(code, 0);
  assert.match(stderr, /^amusd, seed 5: 20 tokens, /);
});

test("devices lists them, for people and as JSON", async () => {
  const { code, stdout, stderr } = await amusd("devices");
  assert.is(code, 0, stderr);
  assert.match(stdout, /^0 {2}\S.*\n {3}\w+, \w+, .*\n {3}features: .*\n {3}buffers of \d+ MiB, bindings of \d+ MiB, /);
  assert.not.match(stdout + stderr, "\x1b");
  const listed = JSON.parse((await amusd("devices", "--json")).stdout);
  assert.equal(listed.map(({ index }: { index: number }) => index), listed.map((_: unknown, i: number) => i));
  for (const field of ["name", "driver", "kind", "features", "limits"]) assert.ok(field in listed[0], field);
  assert.ok(stdout.startsWith(`0  ${listed[0].name}\n`));
});

test("a folder in Hugging Face's layout is a model, and writes what its GGUF writes", async () => {
  const options: RandomLlama = {
    ...SMALL,
    type: "F16",
    tokenizer: true,
    metadata: [["tokenizer.chat_template", "string", "{{ messages[0].content }}"]],
  };
  const prompt = ["--prompt", "the otter", "--max-new-tokens", "8", "--strategy", "greedy"];
  const folder = await writeFolder(at("as saved"), randomLlamaFolder(options));
  const saved = await amusd("--verify-model-path", folder, ...prompt);
  const gguf = await amusd("--verify-model-path", write("saved.gguf", randomLlama(options)), ...prompt);
  assert.equal([saved.code, saved.stdout], [0, gguf.stdout]);
  assert.ok(saved.stdout.length > 4, saved.stdout);
});

/** The bytes with a text in them replaced by one of the same length. */
function replaceText(bytes: Uint8Array, from: string, to: string): Uint8Array {
  const latin = new TextDecoder("latin1").decode(bytes);
  const changed = bytes.slice();
  changed.set(new TextEncoder().encode(to), latin.indexOf(from));
  return changed;
}

test("what can't be done is one line on stderr and a code that says whose fault it is", async () => {
  const bytes = Deno.readFileSync(verifyPath);
  const magic = write("magic.gguf", bytes.with(0, 65));
  const cut = write("cut.gguf", bytes.slice(0, -9));
  const header = write("header.gguf", bytes.slice(0, 300));
  const empty = write("empty.gguf", "");
  const other = write("other.gguf", randomModel({ metadata: [["general.architecture", "string", "mamba"]] }));
  const mute = write("mute.gguf", randomModel({ metadata: [["tokenizer.chat_template", "u32", 1]] }));
  const strange = write("strange.gguf", replaceText(bytes, "[PAD300]", "[PAX300]"));
  const one = write("one.jsonl", '{"question_id":81,"turns":["first"]}\n');
  Deno.mkdirSync(at("a folder"));
  Deno.writeFileSync(at("kept.json"), new TextEncoder().encode("kept"));
  const missing = at("none/such");
  const long = "x".repeat(TRAINED_CONTEXT);
  const model = (path: string) => ["--verify-model-path", path];
  const cases: [string[], number, RegExp][] = [
    [["--max-new-token", "3"], 2, /--max-new-token, did you mean --max-new-tokens\?\n/],
    [["generat"], 2, /generat/],
    [["--strategy", "fast"], 2, /fast.*greedy.*sd.*amusd/],
    [["--max-new-tokens", "0"], 2, /"0" for max-new-tokens: a whole number of 1 or more is wanted/],
    [["--max-new-tokens", "many"], 2, /many/],
    [["--lookahead", "16"], 2, /"16".*1 to 15/],
    [["--temperature", "-1"], 2, /^Failed to parse "-1" for temperature: a number of 0 or more is wanted\n/],
    [["--temperature", "hot"], 2, /hot/],
    [["--top-k", "0.5"], 2, /"0\.5" for top-k: a whole number from 0 to 4294967295 is wanted/],
    [["--top-p", "0"], 2, /"0" for top-p: a number above 0, of at most 1 is wanted/],
    [["--min-p", "1"], 2, /"1" for min-p: a number of 0 or more, below 1 is wanted/],
    [["--seed", "4294967296"], 2, /"4294967296" for seed: a whole number from 0 to 4294967295 is wanted/],
    [["--top-p", "0.9"], 2, /^Cannot use --top-p where nothing is drawn at random: give a --temperature above 0\n/],
    [["--temperature", "0", "--min-p", "0.1"], 2, /^Cannot use --min-p where nothing is drawn at random: /],
    [["--stop", ""], 2, /^Failed to parse "" for stop: it is empty/],
    [["--prompt", "a", "--dataset", one], 2, /^Cannot take several prompts: /],
    [["--sample-index", "1"], 2, /^Cannot take --sample-index by itself: give --dataset too\n/],
    [
      [...VERIFY, "--strategy", "sd"],
      2,
      /^Cannot decode by "sd" without a draft model: give --draft-model-path, or --drafter ngram\n/,
    ],
    [
      ["--strategy", "amusd", "--drafter", "none"],
      2,
      /^Cannot decode by "amusd" with --drafter none: give another drafter, or greedy\n/,
    ],
    [["plan", "--acceptance", "1.5"], 2, /"1\.5" for acceptance: a number between 0 and 1 is wanted/],
    [
      ["plan", "--verify-profile", "abacus"],
      2,
      /^Cannot plan with profile "abacus": there is no such file, .* rtx-4090/,
    ],
    [["plan", "--draft-model", "gpt-2"], 2, /^Cannot plan with model "gpt-2": .* llama-3\.1-8b/],
    [["plan", "--record", one], 1, /^Cannot take chances from ".*one\.jsonl": it has no traces; give what /],
    [
      ["--launch", "fixed:16"],
      2,
      /"fixed:16" is no launch rule: adaptive, published and fixed:1 to fixed:15 are there/,
    ],
    [model(missing), 1, /^Cannot open ".*such": there is no such file; check the path\n/],
    [model(at("a folder")), 1, /^Cannot open ".*a folder": it is a folder/],
    [model(empty), 1, /^Cannot open ".*empty\.gguf": the file is empty/],
    [model(magic), 1, /magic\.gguf.*GGUF/],
    [model(cut), 1, /cut\.gguf": it is cut short or damaged/],
    [model(header), 1, /header\.gguf": it is cut short or damaged/],
    [model(other), 1, /other\.gguf.*"mamba", wanted "llama"/],
    [model(mute), 1, /^Cannot render a chat: .*; give the prompt as it is with --raw\n/],
    [[...VERIFY, "--draft-model-path", missing], 1, /^Cannot open ".*such"/],
    [
      [...VERIFY, "--draft-model-path", strange],
      1,
      /the vocabularies part at id 300, where verify has "\[PAD300\]" and draft has "\[PAX300\]"/,
    ],
    [
      [...VERIFY, "--prompt", long],
      1,
      /^Cannot generate after a prompt of 2\d\d tokens: the context has 256 positions/,
    ],
    [
      [...VERIFY, "--context", "257"],
      1,
      /^Cannot use a context of 257: the model was trained for 256; give 2 to 256\n/,
    ],
    [[...VERIFY, "--prompt", "", "--raw"], 1, /^Cannot generate after a prompt of 0 tokens/],
    [[...VERIFY, "--prompt-file", missing], 1, /^Cannot read the prompt ".*such": /],
    [[...VERIFY, "--dataset", missing], 1, /^Cannot read dataset ".*such": there is no such file/],
    [
      [...VERIFY, "--dataset", one, "--sample-index", "1"],
      1,
      /^Cannot take sample 1: the dataset has 1, wanted 0 to 0\n/,
    ],
    [[...VERIFY, "--verify-device", "none such"], 1, /^Cannot use device "none such": .*; there is 0 "/],
    [[...MODELS, "--draft-device", "99"], 1, /^Cannot use device "99": .*; there is 0 "/],
    [[...VERIFY, "--output-file", `${at("kept.json")}/a/b`], 1, /^Cannot write ".*b": on the way ".*" is no folder; /],
    [[...VERIFY, "--trace", `${at("kept.json")}/such`], 1, /^Cannot write ".*such": on the way ".*" is no folder; /],
    [
      [...VERIFY, "--output-file", at("kept.json")],
      2,
      /^Cannot write ".*kept\.json": it is there already; give --force /,
    ],
    [[...VERIFY, "--trace", at("kept.json")], 2, /^Cannot write ".*kept\.json": it is there already; give --force /],
    [[...VERIFY, "--output-file", at("a folder")], 1, /^Cannot write ".*a folder": it is a folder/],
  ];
  // One at a time would take twice as long, all at once as many gigabytes.
  const waiting = [...cases];
  const work = async () => {
    for (let next; (next = waiting.shift());) assertRefused(await amusd(...next[0]), next[1], next[2]);
  };
  await Promise.all([work(), work()]);
  assert.equal([...Deno.readDirSync(at("a folder"))], []);
});

onUnix("--output-file writes through what is no plain file, and leaves it", async () => {
  Deno.writeTextFileSync(at("target.json"), "");
  Deno.symlinkSync(at("target.json"), at("link.json"));
  const run = [...VERIFY, "--raw", "--prompt", "The", "--max-new-tokens", "2"];
  const { code, stderr } = await amusd(...run, "--output-file", at("link.json"), "--force");
  assert.is(code, 0, stderr);
  assert.ok(Deno.lstatSync(at("link.json")).isSymlink);
  assert.is(JSON.parse(Deno.readTextFileSync(at("target.json"))).tokens.length, 2);
});

/** A run that takes longer than any test. */
function endless(...args: string[]): Deno.ChildProcess {
  Deno.writeFileSync(at("endless.gguf"), randomModel({ metadata: [["llama.context_length", "u32", 100_000]] }));
  const model = ["--verify-model-path", at("endless.gguf"), "--draft-model-path", draftPath];
  return spawn([...model, "--raw", "--max-new-tokens", "90000", ...args]);
}

/** Reads until `enough`; returns what came and a promise of all the rest. */
async function readSome(
  stream: Deno.ChildProcess["stdout"],
  enough: (text: string) => boolean,
): Promise<{ some: string; rest: Promise<string> }> {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let some = "";
  while (!enough(some)) {
    const { value, done } = await reader.read();
    if (done) break;
    some += value;
  }
  const readRest = async () => {
    let rest = "";
    for (let chunk; !(chunk = await reader.read()).done;) rest += chunk.value;
    return rest;
  };
  return { some, rest: readRest() };
}

onUnix("Ctrl-C ends a run in order: text, record, summary, code 130", async () => {
  const child = endless("--prompt", "The", "--output-file", at("aborted.json"));
  const stderr = new Response(child.stderr).text();
  const { some, rest } = await readSome(child.stdout, (text) => text.length >= 20);
  child.kill("SIGINT");
  const stdout = some + await rest;
  const { code } = await child.status;
  assert.match((await stderr).replaceAll(DAWN_LINE, ""), /^amusd: \d+ tokens \(abort\), [^]*both busy at once: .*\n$/);
  assert.is(code, 130);
  const record: GenerationRecord = JSON.parse(Deno.readTextFileSync(at("aborted.json")));
  assert.is(record.finishReason, "abort");
  assert.is(record.text + "\n", stdout);
});

const withProc = Deno.build.os === "linux" ? test : test.skip;

withProc("a second Ctrl-C ends at once", async () => {
  const child = endless("--prompt-file", write("long.txt", "0 ".repeat(5000)));
  const outcome = finish(child);
  const sleep = () => new Promise((resolve) => setTimeout(resolve, 20));
  const holdsModel = () =>
    [...Deno.readDirSync(`/proc/${child.pid}/fd`)].some(({ name }) => {
      try {
        return Deno.readLinkSync(`/proc/${child.pid}/fd/${name}`).endsWith(".gguf");
      } catch {
        return false; // Closed since.
      }
    });
  // Once the models are loaded the run begins, and feeds the prompt for a second or more before it looks up.
  while (!holdsModel()) await sleep();
  while (holdsModel()) await sleep();
  let ended = false;
  child.status.then(() => ended = true);
  while (!ended) {
    try {
      child.kill("SIGINT");
    } catch {
      break; // It has ended.
    }
    await sleep();
  }
  const { code, stdout, stderr } = await outcome;
  assert.is(code, 130);
  assert.is(stdout + stderr, "");
});

onUnix("a reader that goes away ends the run quietly", async () => {
  const child = endless("--prompt", "The");
  const stderr = new Response(child.stderr).text();
  const reader = child.stdout.getReader();
  await reader.read();
  await reader.cancel();
  const { code } = await child.status;
  assert.is((await stderr).replaceAll(DAWN_LINE, ""), "");
  assert.is(code, 0);
});

test.after(() => Deno.remove(folder, { recursive: true }));

test.run();
