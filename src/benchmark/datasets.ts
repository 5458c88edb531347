import { open } from "node:fs/promises";
import { COLUMNS, type DatasetSample, sampleOf, wantedForm } from "./conversation.ts";
import { parquetRows } from "./parquet-rows.ts";
import bundled from "./prompts.jsonl" with { type: "text" };
import { describeFile, HEAD_BYTES } from "../util/file-kind.ts";
import { sum } from "../util/numbers.ts";
import { firstLine, jsonLength } from "../util/text.ts";
import { type Row, textRows } from "./text-rows.ts";

/** A sample and where it stands in its dataset. */
export interface IndexedSample {
  /** The row's number, from 0; rows without a prompt count. */
  readonly index: number;
  readonly sample: DatasetSample;
}

/** A dataset's samples, and how many rows among them have no prompt. */
export interface DatasetSamples {
  readonly samples: readonly IndexedSample[];
  readonly skipped: number;
  /** What the first skipped row lacks, as `line 2 has no prompt in "messages"`; "" where there is none. */
  readonly firstSkipped: string;
}

/** The most characters of prompts that are held at once. */
const MAX_CHARACTERS = 2 ** 28;

/** A few prompts that ship with the program: code to write, code to change, questions. */
export function bundledPrompts(): DatasetSample[] {
  return bundled.trim().split("\n").map((line, at) => sampleOf(JSON.parse(line), at) as DatasetSample);
}

/**
 * Reads the first `most` samples, or all, of local files that together are one dataset: JSON a line or an array of JSON
 * (gzipped or not), or parquet; the content tells which. A row's prompt stands in `column`, or in the first of the
 * usual columns that has one; rows without are skipped. HumanEval's rows are programs to be completed, all others
 * messages.
 *
 * Throws an Error where a file cannot be read, a SyntaxError where it is in none of these forms or no row has a prompt,
 * a RangeError where there are fewer than `most` samples.
 */
export async function readSamples(
  paths: readonly string[],
  { column, most = Infinity }: ReadOptions = {},
): Promise<DatasetSamples> {
  const samples: IndexedSample[] = [];
  let [index, skipped, characters, firstSkipped, first] = [0, 0, 0, "", ""];
  for await (const { row, cannot } of allRows(paths, column)) {
    const sample = await sampleIn(row, cannot, index, column);
    first ||= cannot;
    if (typeof sample === "string") {
      firstSkipped ||= sample;
      skipped++;
    } else {
      samples.push({ index, sample });
      characters += sum(
        sample.messages.map(({ content, tool_calls }) => (content ?? "").length + jsonLength(tool_calls ?? [])),
      );
      if (characters > MAX_CHARACTERS) {
        throw new RangeError(
          `${cannot}: the prompts so far, ${samples.length}, have over ${MAX_CHARACTERS} characters; give a smaller ` +
            "--num-samples",
        );
      }
      if (samples.length === most) break;
    }
    index++;
  }
  if (samples.length === 0) {
    const none = skipped === 1 ? "" : `none of its ${skipped} rows has a prompt: `;
    throw new SyntaxError(`${first}: ${none}${firstSkipped}, ${wantedForm(column)}`);
  }
  if (most !== Infinity && samples.length < most) {
    throw new RangeError(
      `Cannot take ${most} samples: the dataset has ${samples.length}; give --num-samples ${samples.length} or less`,
    );
  }
  return { samples, skipped, firstSkipped };
}

/**
 * Reads the sample in the row `index`, from 0, of such files; without an index in the first row that has one. Throws as
 * `readSamples` does, a RangeError where there is no such row.
 */
export async function readSample(
  paths: readonly string[],
  index: number | undefined,
  column?: string,
): Promise<DatasetSample> {
  if (index === undefined) return (await readSamples(paths, { column, most: 1 })).samples[0]!.sample;
  let rows = 0;
  for await (const { row, cannot } of allRows(paths, column)) {
    if (rows++ !== index) continue;
    const sample = await sampleIn(row, cannot, index, column);
    if (typeof sample === "string") throw new SyntaxError(`${cannot}: ${sample}, ${wantedForm(column)}`);
    return sample;
  }
  throw new RangeError(`Cannot take sample ${index}: the dataset has ${rows}, wanted 0 to ${rows - 1}`);
}

interface ReadOptions {
  readonly column?: string;
  readonly most?: number;
}

/** The sample in a row, or a text that says why it has none, which begins with the row's name. */
async function sampleIn(
  row: Row,
  cannot: string,
  index: number,
  column: string | undefined,
): Promise<DatasetSample | string> {
  const value = await row.value().catch((cause) => {
    throw new SyntaxError(`${cannot}: ${cause.message}`, { cause });
  });
  if (value instanceof RangeError) return `${row.name}: ${value.message}`;
  const sample = sampleOf(value, index, column);
  return typeof sample === "string" ? `${row.name} ${sample}` : sample;
}

/** The rows of all files, each with how errors about its file begin. Throws where a file has none. */
async function* allRows(
  paths: readonly string[],
  column: string | undefined,
): AsyncGenerator<{ readonly row: Row; readonly cannot: string }, void, undefined> {
  for (const path of paths) {
    const cannot = `Cannot read dataset "${path}"`;
    const head = await readHead(path).catch((cause) => {
      const state = cause.code === "ENOENT" ? "there is no such file" : firstLine(cause.message);
      throw new Error(`${cannot}: ${state}; give a .jsonl, .jsonl.gz, .json or .parquet file, or a hub's owner/name`, {
        cause,
      });
    });
    const isParquet = head.startsWith("PAR1");
    const isGzip = head.startsWith("\x1f\x8b");
    const foreign = isParquet || isGzip ? null : describeFile(Uint8Array.from(head, (letter) => letter.charCodeAt(0)));
    if (foreign !== null) throw new SyntaxError(`${cannot}: ${foreign}`);
    const rows = isParquet
      ? parquetRows(path, column === undefined ? COLUMNS : [...COLUMNS, column])
      : textRows(path, isGzip);
    let isEmpty = true;
    try {
      for await (const row of rows) {
        isEmpty = false;
        yield { row, cannot };
      }
    } catch (cause) {
      throw new SyntaxError(`${cannot}: ${(cause as Error).message}`, { cause });
    }
    if (isEmpty) {
      throw new SyntaxError(`${cannot}: it is empty, wanted a ${isParquet ? "row" : "JSON object"} a sample`);
    }
  }
}

async function readHead(path: string): Promise<string> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(new Uint8Array(HEAD_BYTES), 0, HEAD_BYTES, 0);
    return String.fromCharCode(...buffer.subarray(0, bytesRead));
  } finally {
    await file.close();
  }
}
