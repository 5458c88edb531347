// `generate` as its users have it: a process, with files and pipes.

import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { openGguf } from "../../src/checkpoint/gguf.ts";
import { TOKEN_TYPES } from "../../src/checkpoint/token-types.ts";
import { openFile } from "../../src/platform/platform-file.ts";
import { type RandomLlama, randomLlama } from "../checkpoint/gguf-builder.ts";
import { randomLlamaFolder, writeFolder } from "../checkpoint/safetensors-builder.ts";
import { SMALL } from "../llama/llama-fixture.ts";
import { randomModel, TEXT_TOKENS } from "../random-models.ts";
import { at, draftPath, MODELS, onUnix, VERIFY, verifyPath, write } from "./fixture.ts";
import { amusd, finish, isNode, recordOf, spawn } from "./host.ts";

const root = new URL("../../", import.meta.url);
const modelPath = (name: string) => fileURLToPath(new URL(`models/${name}`, root));
/** The embedded pair, which the npm package comes without. */
const EMBEDDED = [
  "--verify-model-path",
  modelPath("smollm2-135m-instruct-q4_1.gguf"),
  "--draft-model-path",
  modelPath("smollm2-draft-42m-q8_0.gguf"),
];

/** The embedded pair's greeting, the default command with nothing else said, runs beside the first tests. */
const embedded = amusd(...isNode ? EMBEDDED : [], "--prompt", "Hello", "--max-tokens", "12");

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

test("a middle model changes nothing of the text", async () => {
  const run = async (...flags: string[]) => {
    const { code, stdout, stderr } = await amusd(...MODELS, "--prompt", "a", "--max-tokens", "12", "--json", ...flags);
    assert.is(code, 0, stderr);
    return JSON.parse(stdout);
  };
  const [alone, chain] = [await run("--strategy", "greedy"), await run("--middle-model-path", draftPath)];
  assert.equal(chain.tokens, alone.tokens);
  assert.equal(Object.keys(chain.models).toSorted(), ["draft", "middle", "verify"]);
  assert.is(chain.models.middle, draftPath);
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
    "--max-tokens",
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
  assert.equal((await Array.fromAsync(Deno.readDir(at("")))).filter(({ name }) => name.endsWith(".part")), []);
});

/** The length in tokens of the prompt that the command finds: the message that it doesn't fit has it. */
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
  assert.ok(message.test(stderr), stderr);
  return Number(stderr.match(message)![1]);
}

test("the prompt comes from a flag, a file, stdin or a dataset", async () => {
  // Each byte is a token.
  const text = "0 1\nü 2";
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

test("a prompt's byte order mark is no part of it, and UTF-16 is read, from a file and from stdin", async () => {
  const text = "0 1\nü 2";
  const marked = write("marked.txt", `\ufeff${text}`);
  const utf16 = write(
    "utf16.txt",
    new Uint8Array(Uint16Array.from([...`\ufeff${text}`], (c) => c.charCodeAt(0)).buffer),
  );
  assert.equal(
    await Promise.all([
      promptLength(["--raw", "--prompt-file", marked]),
      promptLength(["--raw", "--prompt-file", utf16]),
      promptLength(["--raw", "--prompt", "-"], `\ufeff${text}`),
    ]),
    [8, 8, 8],
  );
});

test("a sample's last turn is answered behind the conversation as the dataset has it", async () => {
  const rows = [{ messages: [] }, {
    messages: ["system", "user", "assistant", "user", "assistant"].map((role, i) => ({
      role,
      content: `${i}${i}${i}`,
    })),
  }];
  const file = write("conversation.jsonl", rows.map((row) => JSON.stringify(row)).join("\n"));
  assert.equal(
    await Promise.all([
      promptLength(["--raw", "--dataset", file]),
      promptLength(["--raw", "--dataset", file, "--turns", "last"]),
    ]),
    [3, "000\n\n111\n\n222\n\n333".length],
  );
  const chat = await promptLength(["--dataset", file, "--turns", "last"]);
  assert.ok(chat > await promptLength(["--dataset", file]) + 30, `${chat}`);
});

test("--stop, --strategy, --lookahead and the devices by name and index", async () => {
  const [{ name }, ...others] = JSON.parse((await amusd("devices", "--json")).stdout);
  const last = others.length;
  const run = ["--raw", "--prompt", "The", "--max-tokens", "20"];
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

test("--stop ends the answer at a control token, which has no text of its own", async () => {
  const run = ["--raw", "--prompt", "The", "--max-tokens", "20", "--kv-cache", "f32", "--json"];
  const { tokens, text } = recordOf(await amusd(...VERIFY, ...run));
  const { metadata, close } = await openGguf(await openFile(verifyPath));
  await close();
  // A token that did not come before, and is none of the prompt's.
  const at = tokens.findIndex((token, i) => i > 3 && token < TEXT_TOKENS && tokens.indexOf(token) === i);
  const change = (key: string, value: string | number) =>
    Array.from(metadata.get(`tokenizer.ggml.${key}`) as ArrayLike<string | number>).with(tokens[at]!, value);
  const path = write(
    "control.gguf",
    randomModel({
      metadata: [
        ["tokenizer.ggml.tokens", "string[]", change("tokens", "<|stop|>")],
        ["tokenizer.ggml.token_type", "i32[]", change("token_type", TOKEN_TYPES.CONTROL)],
      ],
    }),
  );
  const record = recordOf(await amusd("--verify-model-path", path, ...run, "--stop", "<|stop|>"));
  assert.equal([record.finishReason, record.tokens], ["stop", tokens.slice(0, at + 1)]);
  assert.ok(record.text !== "" && text.startsWith(record.text));
});

test("--temperature, --top-k, --top-p, --min-p and --seed draw the same text by each strategy", async () => {
  const run = [...MODELS, "--raw", "--prompt", "The", "--max-tokens", "20", "--json"];
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

test("a folder in Hugging Face's layout is a model, and writes what its GGUF writes", async () => {
  const options: RandomLlama = {
    ...SMALL,
    type: "F16",
    tokenizer: true,
    metadata: [["tokenizer.chat_template", "string", "{{ messages[0].content }}"]],
  };
  const prompt = ["--prompt", "the otter", "--max-tokens", "8", "--strategy", "greedy"];
  const folder = await writeFolder(at("as saved"), randomLlamaFolder(options));
  const saved = await amusd("--verify-model-path", folder, ...prompt);
  const gguf = await amusd("--verify-model-path", write("saved.gguf", randomLlama(options)), ...prompt);
  assert.equal([saved.code, saved.stdout], [0, gguf.stdout]);
  assert.ok(saved.stdout.length > 4, saved.stdout);
});

onUnix("--output-file writes through what is no plain file, and leaves it", async () => {
  Deno.writeTextFileSync(at("target.json"), "");
  Deno.symlinkSync(at("target.json"), at("link.json"));
  const run = [...VERIFY, "--raw", "--prompt", "The", "--max-tokens", "2"];
  const { code, stderr } = await amusd(...run, "--output-file", at("link.json"), "--force");
  assert.is(code, 0, stderr);
  assert.ok(Deno.lstatSync(at("link.json")).isSymlink);
  assert.is(JSON.parse(Deno.readTextFileSync(at("target.json"))).tokens.length, 2);
});

test.run();
