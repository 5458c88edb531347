import { test } from "uvu";
import * as assert from "uvu/assert";
import { parquetWriteBuffer } from "hyparquet-writer";
import zlib from "node:zlib";
import type { DatasetSample } from "../../src/benchmark/conversation.ts";
import { wantedForm } from "../../src/benchmark/conversation.ts";
import { bundledPrompts, readSample, readSamples } from "../../src/benchmark/datasets.ts";

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

interface Sample {
  readonly id: string;
  readonly turns: readonly string[];
  readonly task: string;
}

/** A sample by the user's turns. */
const shortened = ({ id, messages, task }: DatasetSample): Sample => (
  { id, turns: messages.filter(({ role }) => role === "user").map(({ content }) => content!), task }
);

async function loadPrompts(path: string, column?: string): Promise<Sample[]> {
  return (await readSamples([path], { column })).samples.map(({ sample }) => shortened(sample));
}

/** Calls `use` with the path of a file of this content. */
async function withFile<T>(content: string | Uint8Array, use: (path: string) => Promise<T>): Promise<T> {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeFile(path, typeof content === "string" ? new TextEncoder().encode(content) : content);
    return await use(path);
  } finally {
    await Deno.remove(path);
  }
}

function load(content: string | Uint8Array, column?: string): Promise<Sample[]> {
  return withFile(content, (path) => loadPrompts(path, column));
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

const WANTED = wantedForm(undefined);
assert.match(
  WANTED,
  /^wanted a text, a list of texts, or messages of "role" and "content" in one of "turns", "messages", .*; or name /,
);

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
      "Cannot read dataset F: it is empty, wanted a JSON object a sample",
    );
  }
});

test("a file of another kind is told as what it is", async () => {
  const pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 9085657\n";
  assert.match(await failure(load(pointer), SyntaxError), /F: it is a git-lfs pointer to a file of 9085657 bytes; run/);
  assert.match(await failure(load("<!doctype html>"), SyntaxError), /F: it is a web page; /);
});

test("a line that is not JSON is told with its number", async () => {
  assert.is(
    await failure(load(lines(humanEval) + "\nid,prompt\n"), SyntaxError),
    "Cannot read dataset F: line 4 is not JSON, or cut short, wanted a JSON object a line, or an array of them",
  );
  assert.match(await failure(load(lines(humanEval).slice(0, -9)), SyntaxError), /line 2 is not JSON/);
});

test("a file without a prompt is told with what it has", async () => {
  for (const row of [1, null, "text"]) {
    assert.is(
      await failure(load(lines([row])), SyntaxError),
      `Cannot read dataset F: line 1 is not a JSON object, ${WANTED}`,
    );
  }
  assert.is(
    await failure(load(lines([{ task_id: "a", code: "b" }, 7])), SyntaxError),
    `Cannot read dataset F: none of its 2 rows has a prompt: line 1 has the columns "task_id", "code", ${WANTED}`,
  );
  assert.is(await failure(load("{}"), SyntaxError), `Cannot read dataset F: line 1 has the columns none, ${WANTED}`);
  for (const turns of [[], "", " \n", 7, null, [7], [{ role: "user" }], [{ role: "assistant", content: "a" }]]) {
    assert.is(
      await failure(load(lines([{ turns }])), SyntaxError),
      `Cannot read dataset F: line 1 has no prompt in "turns", ${WANTED}`,
    );
  }
});

test("rows without a prompt are skipped and counted, wherever they stand, and keep their numbers", async () => {
  const content = lines([{ conversations: [] }, { prompt: "a" }, 7, { prompt: "" }, { prompt: "b" }, { prompt: "c" }]);
  const latin1 = new Uint8Array([...new TextEncoder().encode('{"prompt": "'), 0xe9, 0x22, 0x7d, 0x0a]);
  const read = await withFile(content, (path) => readSamples([path], { most: 2 }));
  assert.equal(read.samples.map(({ index, sample }) => [index, sample.id]), [[1, "1"], [4, "4"]]);
  assert.is(read.skipped, 3);
  assert.is(read.firstSkipped, 'line 1 has no prompt in "conversations"');
  const all = await withFile(
    new Uint8Array([...latin1, ...new TextEncoder().encode(content)]),
    (path) => readSamples([path]),
  );
  assert.equal(all.samples.map(({ index }) => index), [2, 5, 6]);
  assert.is(all.skipped, 4);
  assert.is(all.firstSkipped, "line 1: byte 12 (0xe9) is no UTF-8; save it as UTF-8");
  assert.is(
    await failure(withFile(content, (path) => readSamples([path], { most: 4 })), RangeError),
    "Cannot take 4 samples: the dataset has 3; give --num-samples 3 or less",
  );
});

test("no more is read than is taken", async () => {
  const read = await withFile(lines(humanEval) + "id,prompt\n", (path) => readSamples([path], { most: 2 }));
  assert.equal(read.samples.map(({ sample }) => shortened(sample)), completed);
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
  assert.match(await failure(load(text.slice(0, -5)), SyntaxError), /F: row 2 is not JSON, or cut short, /);
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
    'Cannot read dataset F: none of its 2 rows has a prompt: line 1 has the columns "text", "turns", ' +
      'wanted a text, a list of texts, or messages in "none"; correct --column',
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
      /F: none of its 2 rows has a prompt: row 1 has the columns "task_id", "prompt", "test", wanted .* in "none"; /,
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

test("a sample is taken by its row, within the dataset's bounds, of files that are one dataset", async () => {
  await withFile(lines([...humanEval, { prompt: "" }]), async (path) => {
    const at = async (index?: number) => shortened(await readSample([path, path], index));
    for (const index of [0, 1, 3, 4]) assert.equal(await at(index), completed[index % 3]);
    assert.equal(await at(), completed[0]);
    assert.match(
      await failure(at(5), SyntaxError),
      /^Cannot read dataset F: line 3 has no prompt in "prompt", wanted /,
    );
    assert.is(await failure(at(6), RangeError), "Cannot take sample 6: the dataset has 6, wanted 0 to 5");
  });
  await withFile(lines([{ prompt: "" }, ...humanEval]), async (path) => {
    assert.equal(shortened(await readSample([path], undefined)), completed[0]);
  });
});

test("parquet's rows are read wherever they stand", async () => {
  const data = Array.from({ length: 500 }, (_, i) => i % 7 === 0 ? null : `prompt ${i}`);
  const bytes = new Uint8Array(
    parquetWriteBuffer({ columnData: [{ name: "question", data, type: "STRING" }], rowGroupSize: [300] }),
  );
  await withFile(bytes, async (path) => {
    const { samples, skipped } = await readSamples([path]);
    assert.equal(
      samples.map(({ index, sample }) => [index, sample.messages[0]!.content]),
      data.flatMap((text, i) => text === null ? [] : [[i, text]]),
    );
    assert.is(skipped, 72);
    for (const index of [1, 64, 299, 300, 363, 499]) {
      assert.is((await readSample([path], index)).messages[0]!.content, `prompt ${index}`);
    }
  });
});

test("the bundled prompts are samples", () => {
  assert.ok(bundledPrompts().every(({ messages }) => messages.length > 0 && messages[0]!.content!.length > 10));
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
