import {
  type AsyncBuffer,
  type FileMetaData,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
} from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { open, readFile } from "node:fs/promises";
import { isRecord } from "../util/is-record.ts";
import bundled from "./prompts.jsonl" with { type: "text" };

/** One prompt of a dataset. */
export interface DatasetSample {
  /** The dataset's own id, as "HumanEval/0" or "81"; else the row's number. */
  readonly id: string;
  /** The user's messages, turn by turn: at least one. */
  readonly turns: readonly string[];
  /** "complete": the turn is the beginning of a program, to be continued as it stands. "answer": turns are messages. */
  readonly task: "complete" | "answer";
}

/** A dataset whose samples are read as they are taken. */
export interface Dataset {
  readonly length: number;
  /** Samples `start` to `end`, without `end` itself. Throws a SyntaxError where a row has no prompt. */
  take(start: number, end: number): Promise<DatasetSample[]>;
}

/** The columns that hold an id, the likeliest first. */
const IDS = ["task_id", "question_id", "prompt_id", "id"];
/** The columns that hold a prompt, the likeliest first. */
const PROMPTS = ["turns", "messages", "conversations", "conversation", "prompt"];
const FORMATS = `a text, a list of texts, or messages of "role" and "content" in one of ${
  PROMPTS.map((name) => `"${name}"`).join(", ")
}; or name another column by --column`;

/**
 * Opens local files that together are one dataset: JSON a line (gzipped or not), a JSON array, or parquet; the content
 * tells which. A row's prompt stands in `column`, or in the first of the usual columns that the row has. HumanEval's
 * rows are programs to be completed, all others messages; of a conversation the user's turns are taken.
 *
 * Throws an Error where a file cannot be read, a SyntaxError where it is in none of these forms.
 */
export async function openDataset(paths: readonly string[], column?: string): Promise<Dataset> {
  const parts = await Promise.all(paths.map((path) => openPart(path, column)));
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return {
    length,
    async take(start, end) {
      const samples: DatasetSample[] = [];
      let first = 0;
      for (const part of parts) {
        const [from, to] = [Math.max(start - first, 0), Math.min(end - first, part.length)];
        if (from < to) samples.push(...await part.take(from, to, first));
        first += part.length;
      }
      return samples;
    },
  };
}

/** The sample at `index`, from 0; throws a RangeError that says how many there are. */
export async function sampleAt(dataset: Dataset, index: number): Promise<DatasetSample> {
  const [sample] = Number.isInteger(index) && index >= 0 ? await dataset.take(index, index + 1) : [];
  if (sample) return sample;
  throw new RangeError(
    `Cannot take sample ${index}: the dataset has ${dataset.length}, wanted 0 to ${dataset.length - 1}`,
  );
}

/** A few prompts that ship with the program: code to write, code to change, questions. */
export function bundledPrompts(): DatasetSample[] {
  const cannot = "Cannot read the bundled prompts";
  return parseRows(bundled, cannot).map(({ row, where }, at) => parseSample(row, where, at));
}

/** One file of a dataset. `take` numbers rows without an id from `first` on. */
interface Part {
  readonly length: number;
  take(start: number, end: number, first: number): Promise<DatasetSample[]>;
}

async function openPart(path: string, column: string | undefined): Promise<Part> {
  const cannot = `Cannot read dataset "${path}"`;
  const head = await readHead(path).catch((cause) => {
    const state = cause.code === "ENOENT" ? "there is no such file" : cause.message;
    throw new Error(`${cannot}: ${state}; give a .jsonl, .jsonl.gz, .json or .parquet file, or a hub's owner/name`, {
      cause,
    });
  });
  if (head === "PAR1") return await openParquet(path, cannot, column);
  const text = await decode(await readFile(path)).catch((cause) => {
    throw new SyntaxError(`${cannot}: its gzip stream is damaged or cut short; fetch it again`, { cause });
  });
  const samples = parseRows(text, cannot).map(({ row, where }) => ({ row, where }));
  return {
    length: samples.length,
    take: (start, end, first) =>
      Promise.resolve(
        samples.slice(start, end).map(({ row, where }, i) => parseSample(row, where, first + start + i, column)),
      ),
  };
}

async function readHead(path: string): Promise<string> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(new Uint8Array(4), 0, 4, 0);
    return new TextDecoder("latin1").decode(buffer.subarray(0, bytesRead));
  } finally {
    await file.close();
  }
}

/** Opens a parquet file, of which only the needed columns and row groups are read. */
async function openParquet(path: string, cannot: string, column: string | undefined): Promise<Part> {
  const damaged = (cause: unknown) => {
    throw new SyntaxError(`${cannot}: its parquet is damaged or cut short; fetch it again`, { cause });
  };
  const metadata = await withBuffer(path, (file) => parquetMetadataAsync(file)).catch(damaged);
  const names = parquetSchema(metadata).children.map(({ element }) => element.name);
  const prompt = promptColumn(names, column);
  if (prompt === undefined) throw new SyntaxError(`${cannot}: ${otherColumns(names, column)}`);
  const length = Number(metadata.num_rows);
  if (length === 0) throw new SyntaxError(`${cannot}: it is empty, wanted a row a sample`);
  return {
    length,
    async take(start, end, first) {
      const rows = await withBuffer(path, (file) => readRows(file, metadata, names, prompt, start, end)).catch(damaged);
      return rows.map((row, i) => parseSample(row, `${cannot}: row ${start + i + 1}`, first + start + i, column));
    },
  };
}

function readRows(
  file: AsyncBuffer,
  metadata: FileMetaData,
  names: readonly string[],
  prompt: string,
  rowStart: number,
  rowEnd: number,
): Promise<Record<string, unknown>[]> {
  const columns = [...new Set([...IDS, prompt])].filter((name) => names.includes(name));
  return parquetReadObjects({ file, metadata, columns, rowStart, rowEnd, compressors });
}

async function withBuffer<T>(path: string, use: (buffer: AsyncBuffer) => Promise<T>): Promise<T> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    return await use({
      byteLength: size,
      async slice(start, end = size) {
        const bytes = new Uint8Array(end - start);
        const { bytesRead } = await file.read(bytes, 0, bytes.length, start);
        if (bytesRead < bytes.length) throw new RangeError(`${path} ends at ${start + bytesRead}`);
        return bytes.buffer;
      },
    });
  } finally {
    await file.close();
  }
}

async function decode(bytes: Uint8Array): Promise<string> {
  const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b;
  if (!isGzip) return new TextDecoder().decode(bytes);
  const packed = new Blob([new Uint8Array(bytes)]).stream();
  return await new Response(packed.pipeThrough(new DecompressionStream("gzip"))).text();
}

interface Row {
  readonly row: unknown;
  readonly where: string;
}

function parseRows(text: string, cannot: string): Row[] {
  const rows = text.trimStart().startsWith("[") ? parseArray(text, cannot) : parseLines(text, cannot);
  if (!rows.length) throw new SyntaxError(`${cannot}: it is empty, wanted a JSON object a line`);
  return rows;
}

function parseLines(text: string, cannot: string): Row[] {
  const rows: Row[] = [];
  for (const [at, line] of text.split("\n").entries()) {
    const where = `${cannot}: line ${at + 1}`;
    if (line.trim()) rows.push({ row: parseJson(line, `${where} is not JSON, wanted a JSON object a line`), where });
  }
  return rows;
}

function parseArray(text: string, cannot: string): Row[] {
  const rows = parseJson(text, `${cannot}: it is not JSON, or cut short, wanted an array of objects`);
  return (rows as unknown[]).map((row, at) => ({ row, where: `${cannot}: row ${at + 1}` }));
}

function parseJson(text: string, problem: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SyntaxError(problem, { cause });
  }
}

function parseSample(row: unknown, where: string, at: number, column?: string): DatasetSample {
  if (!isRecord(row)) throw new SyntaxError(`${where} is not a JSON object, wanted ${FORMATS}`);
  const name = promptColumn(Object.keys(row), column);
  if (name === undefined) throw new SyntaxError(`${where} ${otherColumns(Object.keys(row), column)}`);
  const turns = turnsOf(row[name]);
  if (turns.length === 0) throw new SyntaxError(`${where} has no prompt in "${name}", wanted ${FORMATS}`);
  const task = name === "prompt" && typeof row.task_id === "string" ? "complete" : "answer";
  const id = IDS.map((name) => row[name]).find((id) => /^(string|number|bigint)$/.test(typeof id));
  return { id: String(id ?? at), turns, task };
}

function promptColumn(names: readonly string[], column: string | undefined): string | undefined {
  return (column === undefined ? PROMPTS : [column]).find((name) => names.includes(name));
}

/** Says which columns there are where the wanted one is missing. */
function otherColumns(names: readonly string[], column: string | undefined): string {
  const shown = names.map((name) => `"${name}"`).join(", ") || "none";
  return `has the columns ${shown}, wanted ${column === undefined ? FORMATS : `"${column}"; correct --column`}`;
}

/** The user's turns in a text, a list of texts, or a list of messages; none where it is none of these. */
function turnsOf(value: unknown): string[] {
  if (typeof value === "string") return value === "" ? [] : [value];
  if (!Array.isArray(value)) return [];
  if (value.every((turn) => typeof turn === "string")) return value;
  const messages = value.map(messageOf);
  if (messages.includes(null)) return [];
  return messages.filter((message) => message!.isUser).map((message) => message!.content);
}

function messageOf(value: unknown): { isUser: boolean; content: string } | null {
  if (!isRecord(value)) return null;
  const { role, content, from, value: text } = value;
  const [who, said] = role === undefined ? [from, text] : [role, content];
  return typeof who === "string" && typeof said === "string"
    ? { isUser: who === "user" || who === "human", content: said }
    : null;
}
