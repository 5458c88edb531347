/** Bytes that are read in pieces at any offset: a file, a blob. Sizes and offsets may pass 4 GiB. */
export interface ByteSource {
  /** The file's path or name, for errors. */
  readonly name: string;
  /** In bytes. */
  readonly size: number;
  /** Exactly `length` bytes; several reads may be under way. Throws an Error where the source ends before. */
  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
  close(): Promise<void>;
}

/** A blob, such as a file chosen in a browser. */
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

/** What an Error says of a read that the source could not fill. */
export function endedEarly(name: string, offset: number, length: number, size: number): string {
  return `Cannot read "${name}": ${length} bytes at ${offset} are wanted, the file has ${size} bytes; ` +
    "leave the file alone while it is in use";
}
