import { test } from "uvu";
import * as assert from "uvu/assert";
import { loadPrompts, sampleAt } from "../../src/bench/datasets.ts";

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

async function load(content: string | Uint8Array) {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeFile(path, typeof content === "string" ? new TextEncoder().encode(content) : content);
    return await loadPrompts(path);
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

const WANTED =
  'wanted the texts "task_id" and "prompt" (HumanEval) or "question_id" and a list of texts "turns" (MT-Bench)';

test("a file that is not there, or is a folder, is told", async () => {
  assert.match(
    await failure(loadPrompts("no/such/file.jsonl"), Error),
    /^Cannot read dataset F: there is no such file, wanted a local copy of HumanEval's or MT-Bench's \.jsonl$/,
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
  for (const row of [[], 1, null, "text"]) {
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
  const wrong = [
    { task_id: 1, prompt: "a" },
    { task_id: "a", prompt: ["b"] },
    { question_id: 81, turns: [] },
    { question_id: 81, turns: "a" },
    { question_id: 81, turns: ["a", 2] },
    { turns: ["a"] },
  ];
  for (const row of wrong) assert.match(await failure(load(lines([row])), SyntaxError), /line 1 has the columns/);
});

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
  const samples = await load(lines(humanEval));
  assert.is(sampleAt(samples, 0), samples[0]);
  assert.is(sampleAt(samples, 1), samples[1]);
  for (const index of [2, -1, 0.5, NaN]) {
    assert.throws(
      () => sampleAt(samples, index),
      (error: Error) =>
        error instanceof RangeError &&
        error.message === `Cannot take sample ${index}: the dataset has 2, wanted 0 to 1`,
    );
  }
});

// The real files lie beside the checkout on the developers' and CI's machines; they are not ours to copy.
const shared = new URL("../../../shared/datasets/", import.meta.url);
const isThere = await Deno.stat(shared).then(() => true, () => false);

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
