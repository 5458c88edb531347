import * as fs from "node:fs/promises";
import { firstLine } from "../util/text.ts";
import { type ByteSource, endedEarly } from "./byte-source.ts";

/** The most bytes that one call reads: Node takes 2^31 - 1 at most. */
const CALL_BYTES = 2 ** 30;

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file; check the path",
  EACCES: "this user may not read it; change its permissions",
  EPERM: "this user may not read it; change its permissions",
};

/** Opens a file for reading in pieces. Rejects with an Error if it is missing, unreadable, empty or no plain file. */
export async function openFile(path: string): Promise<ByteSource> {
  // The kind of file is asked before the file is opened, because opening a pipe would wait for a writer.
  const stat = await explained(path, fs.stat(path));
  if (!stat.isFile()) {
    const kind = stat.isDirectory() ? "folder" : "device or a pipe";
    throw new Error(`Cannot open "${path}": it is a ${kind}, a file is wanted; give a file's path`);
  }
  const { size } = stat;
  if (size === 0) throw new Error(`Cannot open "${path}": the file is empty; download it again`);
  const handle = await explained(path, fs.open(path));
  return {
    name: path,
    size,
    async read(offset, length) {
      if (offset + length > size) throw new Error(endedEarly(path, offset, length, size));
      const bytes = new Uint8Array(length);
      for (let done = 0; done < length;) {
        const { bytesRead } = await handle.read(bytes, done, Math.min(length - done, CALL_BYTES), offset + done);
        if (bytesRead === 0) throw new Error(endedEarly(path, offset, length, offset + done));
        done += bytesRead;
      }
      return bytes;
    },
    close: () => handle.close(),
  };
}

/** The result. Rejects with an Error of one line, with a remedy, in place of the system's own. */
async function explained<T>(path: string, result: Promise<T>): Promise<T> {
  try {
    return await result;
  } catch (error) {
    const { code = "", message } = error as { code?: string; message: string };
    const reason = REASONS[code] ?? `${firstLine(message)}; give another path`;
    throw new Error(`Cannot open "${path}": ${reason}`, { cause: error });
  }
}
