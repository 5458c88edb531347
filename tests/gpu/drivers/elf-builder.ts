/**
 * A 64-bit little-endian ELF library with nothing in it but its name and the names of libraries that it needs. Its only
 * loaded segment is at address 4096.
 */
export function elfLibrary(soname: string, needed: readonly string[] = []): Uint8Array {
  const address = 4096;
  const names = ["", soname, ...needed];
  const strings = new TextEncoder().encode(names.map((name) => `${name}\0`).join(""));
  const indexOf = (name: string) =>
    names.slice(0, names.indexOf(name)).reduce((sum, { length }) => sum + length + 1, 0);
  const dynamicAt = 64 + 2 * 56;
  const tags = [...needed.map((name) => [1, indexOf(name)]), [14, indexOf(soname)]];
  const stringsAt = dynamicAt + (tags.length + 2) * 16;
  const bytes = new Uint8Array(stringsAt + strings.length);
  const view = new DataView(bytes.buffer);
  const word = (at: number, value: number) => view.setBigUint64(at, BigInt(value), true);
  view.setUint32(0, 0x7f454c46);
  view.setUint16(4, 0x0201);
  word(32, 64); // The program headers follow the file's header.
  view.setUint16(54, 56, true);
  view.setUint16(56, 2, true);
  const segment = (at: number, type: number, offset: number, size: number) => {
    view.setUint32(at, type, true);
    word(at + 8, offset);
    word(at + 16, address + offset);
    word(at + 32, size);
  };
  segment(64, 1, 0, bytes.length);
  segment(120, 2, dynamicAt, (tags.length + 2) * 16);
  [...tags, [5, address + stringsAt], [0, 0]].forEach(([tag, value], i) => {
    word(dynamicAt + 16 * i, tag!);
    word(dynamicAt + 16 * i + 8, value!);
  });
  bytes.set(strings, stringsAt);
  return bytes;
}
