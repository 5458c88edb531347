/** A file or a blob that is read in pieces, at any offset. Sizes and offsets may be larger than 4 GiB. */
export interface ByteSource {
  /** The file's path or name, for errors. */
  readonly name: string;
  /** The number of bytes. */
  readonly size: number;
  /**
   * Reads exactly `length` bytes; several reads may run at once. Rejects with an Error where the source ends earlier.
   */
  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
  /** Frees the file. No read may follow. */
  close(): Promise<void>;
}

/** The source that reads a blob, such as a file chosen in a browser. */
export function blobSource(blob: Blob, name: string): ByteSource {
  return {
    name,
    size: blob.size,
    async read(offset, length) {
      const bytes = new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer());
      if (bytes.length < length) throw new Error(endedEarly(name, offset, length, blob.size));
      return bytes;
    },
    async close() {},
  };
}

/** The text of an Error about a read of `length` bytes at `offset` that the source, of `size` bytes, could not fill. */
export function endedEarly(name: string, offset: number, length: number, size: number): string {
  return `Cannot read "${name}": ${length} bytes at ${offset} are wanted, the file has ${size} bytes; ` +
    "leave the file alone while it is in use";
}
