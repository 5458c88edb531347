/** The names that a shared library's file gives to the dynamic linker. */
export interface ElfLibrary {
  /** The name by which other libraries ask for this one; `undefined` where it has no such name. */
  readonly soname: string | undefined;
  /** The sonames of the libraries that have to be loaded before this one. */
  readonly needed: readonly string[];
}

// The numbers of the types of segments and of the tags of dynamic entries, by ELF's own names.
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const DT_NULL = 0;
const DT_NEEDED = 1;
const DT_STRTAB = 5;
const DT_SONAME = 14;

/**
 * Reads the dynamic section of a 64-bit little-endian ELF library (System V ABI, "Dynamic Linking"). Throws a
 * RangeError where `bytes` are no such library, or end before a place that they point to.
 */
export function readElf(bytes: Uint8Array): ElfLibrary {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // A library begins with the magic number, then class 2 (64 bits) and data 1 (little-endian).
  if (bytes.length < 64 || view.getUint32(0) !== 0x7f454c46 || view.getUint16(4) !== 0x0201) {
    throw new RangeError("Cannot read an ELF library: it is no 64-bit little-endian one");
  }
  const word = (at: number) => Number(view.getBigUint64(at, true));
  const [tableAt, entryBytes, entryCount] = [word(32), view.getUint16(54, true), view.getUint16(56, true)];
  const segments = Array.from({ length: entryCount }, (_, i) => {
    const at = tableAt + i * entryBytes;
    return { type: view.getUint32(at, true), offset: word(at + 8), address: word(at + 16), size: word(at + 32) };
  });
  const dynamic = segments.find(({ type }) => type === PT_DYNAMIC);
  const entries: { readonly tag: number; readonly value: number }[] = [];
  for (let at = dynamic?.offset ?? 0; dynamic && at < dynamic.offset + dynamic.size; at += 16) {
    const tag = word(at);
    if (tag === DT_NULL) break;
    entries.push({ tag, value: word(at + 8) });
  }
  const stringsAddress = entries.find(({ tag }) => tag === DT_STRTAB)?.value ?? 0;
  const home = segments.find(({ type, address, size }) =>
    type === PT_LOAD && stringsAddress >= address && stringsAddress < address + size
  );
  const text = (index: number) => {
    const start = stringsAddress - (home?.address ?? 0) + (home?.offset ?? 0) + index;
    const end = bytes.indexOf(0, start);
    if (start >= bytes.length || end < 0) throw new RangeError("Cannot read an ELF library: it is cut short");
    return new TextDecoder().decode(bytes.subarray(start, end));
  };
  const named = (wanted: number) => entries.filter(({ tag }) => tag === wanted).map(({ value }) => text(value));
  return { soname: named(DT_SONAME)[0], needed: named(DT_NEEDED) };
}
