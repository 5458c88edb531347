import { readFile } from "../gpu/platform.ts";
import bundled from "./prompts.jsonl" with { type: "text" };

/** One prompt of a dataset. */
export interface DatasetSample {
  /** The dataset's own: "HumanEval/0", "81". */
  readonly id: string;
  /** What the user says, turn by turn: at least one. */
  readonly turns: readonly string[];
  /** "complete": the turn is the beginning of a program, to be continued as it stands. "answer": turns are messages. */
  readonly task: "complete" | "answer";
}

const FORMATS = 'the texts "task_id" and "prompt" (HumanEval) or "question_id" and a list of texts "turns" (MT-Bench)';

/**
 * Reads a local dataset in HumanEval's own format (a JSON object a line with `task_id` and `prompt`) or MT-Bench's
 * (`question_id` and `turns`), gzipped or not: the content tells.
 *
 * Throws an Error where the file cannot be read, a SyntaxError where it is not of that form.
 */
export async function loadPrompts(path: string): Promise<DatasetSample[]> {
  const cannot = `Cannot read dataset "${path}"`;
  const bytes = await readFile(path).catch((cause) => {
    const state = cause.code === "ENOENT" ? "there is no such file" : cause.message;
    throw new Error(`${cannot}: ${state}, wanted a local copy of HumanEval's or MT-Bench's .jsonl`, { cause });
  });
  const text = await decode(bytes).catch((cause) => {
    throw new SyntaxError(`${cannot}: its gzip stream is damaged or cut short; fetch it again`, { cause });
  });

  return parseSamples(text, cannot);
}

/** A few prompts of our own: code to write, code to change, questions. */
export function bundledPrompts(): DatasetSample[] {
  return parseSamples(bundled, "Cannot read the bundled prompts");
}

function parseSamples(text: string, cannot: string): DatasetSample[] {
  const samples: DatasetSample[] = [];
  for (const [at, line] of text.split("\n").entries()) {
    if (line.trim()) samples.push(parseSample(line, `${cannot}: line ${at + 1}`));
  }
  if (!samples.length) throw new SyntaxError(`${cannot}: it is empty, wanted a JSON object a line`);
  return samples;
}

/** The sample at `index`, from 0; throws a RangeError that says how many there are. */
export function sampleAt(samples: readonly DatasetSample[], index: number): DatasetSample {
  const sample = samples[index];
  if (sample) return sample;
  throw new RangeError(
    `Cannot take sample ${index}: the dataset has ${samples.length}, wanted 0 to ${samples.length - 1}`,
  );
}

async function decode(bytes: Uint8Array): Promise<string> {
  const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b;
  if (!isGzip) return new TextDecoder().decode(bytes);
  const packed = new Blob([new Uint8Array(bytes)]).stream();
  return await new Response(packed.pipeThrough(new DecompressionStream("gzip"))).text();
}

function parseSample(line: string, where: string): DatasetSample {
  let row: unknown;
  try {
    row = JSON.parse(line);
  } catch (cause) {
    throw new SyntaxError(`${where} is not JSON, wanted a JSON object a line`, { cause });
  }
  if (typeof row !== "object" || row === null || Array.isArray(row)) {
    throw new SyntaxError(`${where} is not a JSON object, wanted ${FORMATS}`);
  }
  const { task_id, prompt, question_id, turns } = row as Record<string, unknown>;
  if (typeof task_id === "string" && typeof prompt === "string") {
    return { id: task_id, turns: [prompt], task: "complete" };
  }
  if (question_id !== undefined && isTexts(turns)) {
    return { id: String(question_id), turns, task: "answer" };
  }
  const columns = Object.keys(row).map((name) => `"${name}"`).join(", ") || "none";
  throw new SyntaxError(`${where} has the columns ${columns}, wanted ${FORMATS}`);
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.length > 0 && value.every((turn) => typeof turn === "string");
}
