import { test } from "uvu";
import * as assert from "uvu/assert";
import { parquetWriteBuffer } from "hyparquet-writer";
import zlib from "node:zlib";
import type { DatasetSample } from "../../src/benchmark/conversation.ts";
import { bundledPrompts, readSample, readSamples } from "../../src/benchmark/datasets.ts";
import { withTempFolder } from "../temp-folder.ts";

const humanEval = [
  {
    task_id: "HumanEval/0",
    prompt: "def one():\n",
    entry_point: "one",
    canonical_solution: "    return 1\n",
    test: "",
  },
  { task_id: "HumanEval/1", prompt: "def größer():\n", entry_point: "größer", canonical_solution: "", test: "" },
];
const mtBench = [
  { question_id: 81, category: "writing", turns: ["Write.", "Rewrite."] },
  { question_id: 82, category: "math", turns: ["Add."], reference: ["3"] },
];
const lines = (rows: unknown[]) => rows.map((row) => JSON.stringify(row) + "\n").join("");

async function gzip(text: string): Promise<Uint8Array> {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function loadPrompts(path: string, column?: string) {
  const dataset = await openDataset([path], column);
  return await dataset.take(0, dataset.length);
}

async function load(content: string | Uint8Array, column?: string) {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeFile(path, typeof content === "string" ? new TextEncoder().encode(content) : content);
    return await loadPrompts(path, column);
  } finally {
    await Deno.remove(path);
  }
}

async function failure(promise: Promise<unknown>, kind: new (message?: string) => Error): Promise<string> {
  const error = await promise.then(() => null, (error) => error);
  assert.is(error?.constructor, kind);
  assert.not.match(error.message, "\n");
  return error.message.replace(/dataset ".*?"/, "dataset F");
}

const completed = [
  { id: "HumanEval/0", turns: ["def one():\n"], task: "complete" },
  { id: "HumanEval/1", turns: ["def größer():\n"], task: "complete" },
];

test("HumanEval's rows are programs to be completed", async () => {
  assert.equal(await load(lines(humanEval)), completed);
});

test("a gzipped file is known by its content", async () => {
  assert.equal(await load(await gzip(lines(humanEval))), completed);
});

test("MT-Bench's rows keep their turns", async () => {
  assert.equal(await load(lines(mtBench)), [
    { id: "81", turns: ["Write.", "Rewrite."], task: "answer" },
    { id: "82", turns: ["Add."], task: "answer" },
  ]);
});

test("line ends of Windows, a byte order mark, blank lines and a missing last line end do no harm", async () => {
  assert.equal(await load("\ufeff" + lines(humanEval).replaceAll("\n", "\r\n\r\n").trimEnd()), completed);
});

const WANTED = 'wanted a text, a list of texts, or messages of "role" and "content" in one of "turns", "messages", ' +
  '"conversations", "conversation", "prompt"; or name another column by --column';

test("a file that is not there, or is a folder, is told", async () => {
  assert.match(
    await failure(loadPrompts("no/such/file.jsonl"), Error),
    /^Cannot read dataset F: there is no such file; give a \.jsonl, .* or a hub's owner\/name$/,
  );
  assert.match(await failure(loadPrompts("tests"), Error), /^Cannot read dataset F: .*directory/i);
});

test("an empty file is told", async () => {
  for (const content of ["", "\n \r\n", await gzip("")]) {
    assert.is(
      await failure(load(content), SyntaxError),
      "Cannot read dataset F: it is empty, wanted a JSON object a line",
    );
  }
});

test("a line that is not JSON is told with its number", async () => {
  assert.is(
    await failure(load(lines(humanEval) + "\nid,prompt\n"), SyntaxError),
    "Cannot read dataset F: line 4 is not JSON, wanted a JSON object a line",
  );
  assert.match(await failure(load(lines(humanEval).slice(0, -9)), SyntaxError), /line 2 is not JSON/);
});

test("a line of another form is told with what it has", async () => {
  for (const row of [1, null, "text"]) {
    assert.is(
      await failure(load(lines([row])), SyntaxError),
      `Cannot read dataset F: line 1 is not a JSON object, ${WANTED}`,
    );
  }
  assert.is(
    await failure(load(lines([humanEval[0], { task_id: "a", text: "b" }])), SyntaxError),
    `Cannot read dataset F: line 2 has the columns "task_id", "text", ${WANTED}`,
  );
  assert.is(await failure(load("{}"), SyntaxError), `Cannot read dataset F: line 1 has the columns none, ${WANTED}`);
});

test("a column of the wrong type is told", async () => {
  for (const turns of [[], "", 7, null, ["a", 2], [{ role: "user" }], [{ role: "assistant", content: "a" }]]) {
    assert.is(
      await failure(load(lines([{ turns }])), SyntaxError),
      `Cannot read dataset F: line 1 has no prompt in "turns", ${WANTED}`,
    );
  }
});

const messages = [
  { role: "system", content: "Be short." },
  { role: "user", content: "Write f." },
  { role: "assistant", content: "def f(): pass" },
  { role: "user", content: "Refactor it." },
];
const conversations = [
  { from: "human", value: "Write f." },
  { from: "gpt", value: "def f(): pass" },
  { from: "human", value: "Refactor it." },
];
const refactored = (id: string) => ({ id, turns: ["Write f.", "Refactor it."], task: "answer" });

test("of a conversation the user's turns are taken, in the forms that there are", async () => {
  const rows = [
    { messages },
    { conversations, id: "b" },
    { conversation: messages, prompt: "not this" },
    { prompt: ["Write f.", "Refactor it."], prompt_id: 4 },
  ];
  assert.equal(await load(lines(rows)), ["0", "b", "2", "4"].map(refactored));
});

test("a JSON array is a dataset, and a cut one is told", async () => {
  const text = JSON.stringify(humanEval, null, 1);
  assert.equal(await load(text), completed);
  assert.match(await failure(load(text.slice(0, -5)), SyntaxError), /F: it is not JSON, or cut short, /);
  assert.match(await failure(load("[1]"), SyntaxError), /F: row 1 is not a JSON object, /);
});

test("a column is taken by its name", async () => {
  const rows = lines([{ text: "a", turns: ["b"] }, { text: "c", task_id: "d" }]);
  assert.equal(await load(rows, "text"), [
    { id: "0", turns: ["a"], task: "answer" },
    { id: "d", turns: ["c"], task: "answer" },
  ]);
  assert.is(
    await failure(load(rows, "none"), SyntaxError),
    'Cannot read dataset F: line 1 has the columns "text", "turns", wanted "none"; correct --column',
  );
});

const gzipSync = (bytes: Uint8Array) => new Uint8Array(zlib.gzipSync(bytes));
// Node 20's types don't have it yet.
const { zstdCompressSync } = zlib as unknown as { zstdCompressSync(bytes: Uint8Array): Uint8Array };
const zstdSync = (bytes: Uint8Array) => new Uint8Array(zstdCompressSync(bytes));

for (
  const [codec, compressors] of [
    ["UNCOMPRESSED", {}],
    ["SNAPPY", {}],
    ["GZIP", { GZIP: gzipSync }],
    ["ZSTD", { ZSTD: zstdSync }],
  ] as const
) {
  test(`parquet is read, compressed by ${codec}`, async () => {
    const bytes = new Uint8Array(parquetWriteBuffer({
      codec,
      compressors,
      columnData: [
        { name: "task_id", data: humanEval.map((row) => row.task_id), type: "STRING" },
        { name: "prompt", data: humanEval.map((row) => row.prompt), type: "STRING" },
        { name: "test", data: ["x".repeat(500), "y".repeat(500)], type: "STRING" },
      ],
    }));
    assert.equal(await load(bytes), completed);
    assert.match(
      await failure(load(bytes, "none"), SyntaxError),
      /F: has the columns "task_id", "prompt", "test", wanted "none"; /,
    );
    for (const cut of [bytes.subarray(0, bytes.length - 9), bytes.subarray(0, 4)]) {
      assert.is(
        await failure(load(cut), SyntaxError),
        "Cannot read dataset F: its parquet is damaged or cut short; fetch it again",
      );
    }
  });
}

test("a gzipped file that was cut short is told", async () => {
  const bytes = await gzip(lines(humanEval));
  for (const length of [2, 12, bytes.length - 1]) {
    assert.is(
      await failure(load(bytes.subarray(0, length)), SyntaxError),
      "Cannot read dataset F: its gzip stream is damaged or cut short; fetch it again",
    );
  }
});

test("a sample is taken by its index, within the dataset's bounds", async () => {
  const path = await Deno.makeTempFile();
  await Deno.writeTextFile(path, lines(humanEval));
  // Two files are one dataset.
  const dataset: Dataset = await openDataset([path, path]);
  await Deno.remove(path);
  for (const index of [0, 1, 2, 3]) assert.equal(await sampleAt(dataset, index), completed[index % 2]);
  for (const index of [4, -1, 0.5, NaN]) {
    assert.is(
      await failure(sampleAt(dataset, index), RangeError),
      `Cannot take sample ${index}: the dataset has 4, wanted 0 to 3`,
    );
  }
});

// The real files lie beside the checkout on the developers' and CI's machines; they are not ours to copy.
const shared = new URL("../../../shared/datasets/", import.meta.url);
const isThere = await Deno.stat(shared).then(() => true, () => false);
if (!isThere) console.log("skipped: the real data sets, which do not lie beside this checkout");
(isThere ? test : test.skip)("the real files are read whole", async () => {
  const code = await loadPrompts(new URL("HumanEval.jsonl.gz", shared).pathname);
  assert.is(code.length, 164);
  assert.ok(
    code.every(({ id, turns, task }, at) => id === `HumanEval/${at}` && turns.length === 1 && task === "complete"),
  );
  assert.match(code[163]!.turns[0]!, "def generate_integers(a, b):");

  const questions = await loadPrompts(new URL("mt_bench_question.jsonl", shared).pathname);
  assert.is(questions.length, 80);
  assert.ok(
    questions.every(({ id, turns, task }, at) => id === `${81 + at}` && turns.length === 2 && task === "answer"),
  );
});

test.run();
