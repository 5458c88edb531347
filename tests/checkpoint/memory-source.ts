import type { ByteSource } from "../../src/platform/byte-source.ts";

/**
 * A file in memory. A read beyond its end throws, and so does one that makes all reads together more than `mostBytes`.
 */
export function sourceOf(bytes: Uint8Array<ArrayBuffer>, mostBytes: number): ByteSource {
  let left = mostBytes;
  return {
    name: "memory",
    size: bytes.length,
    async read(offset, length) {
      left -= length;
      const fits = Number.isInteger(offset) && Number.isInteger(length) && offset >= 0 && length >= 0;
      if (!fits || offset + length > bytes.length || left < 0) {
        throw new TypeError(`a read of ${length} bytes at ${offset}: the file has ${bytes.length} bytes`);
      }
      return bytes.slice(offset, offset + length);
    },
    async close() {},
  };
}
