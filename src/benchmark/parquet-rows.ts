import { type AsyncBuffer, parquetMetadataAsync, parquetReadObjects, parquetSchema } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { open } from "node:fs/promises";
import type { Row } from "./text-rows.ts";

/** How many rows of a row group are read first; then the next four times as many. */
const FIRST_ROWS = 64;

/**
 * The rows of a parquet file, with null in columns that aren't `wanted`. Only the needed columns and row groups are
 * read, once a row's value is asked for. Throws a SyntaxError, without the file's name, where the file is damaged.
 */
export async function* parquetRows(path: string, wanted: readonly string[]): AsyncGenerator<Row, void, undefined> {
  const metadata = await withBuffer(path, (file) => parquetMetadataAsync(file));
  const names = parquetSchema(metadata).children.map(({ element }) => element.name);
  const columns = names.filter((name) => wanted.includes(name));
  const unread = Object.fromEntries(names.map((name) => [name, null]));
  let [groupStart, at] = [0, 0];
  for (const { num_rows } of metadata.row_groups) {
    const groupEnd = groupStart + Number(num_rows);
    for (let [rowStart, count] = [groupStart, FIRST_ROWS]; rowStart < groupEnd; rowStart += count, count *= 4) {
      const rowEnd = Math.min(rowStart + count, groupEnd);
      let rows: Promise<Record<string, unknown>[]> | undefined;
      const read = () =>
        withBuffer(path, (file) => parquetReadObjects({ file, metadata, columns, rowStart, rowEnd, compressors }));
      for (let i = 0; i < rowEnd - rowStart; i++) {
        yield { name: `row ${++at}`, value: async () => ({ ...unread, ...(await (rows ??= read()))[i] }) };
      }
    }
    groupStart = groupEnd;
  }
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
  } catch (cause) {
    throw new SyntaxError("its parquet is damaged or cut short; fetch it again", { cause });
  } finally {
    await file.close();
  }
}
