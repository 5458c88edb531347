/** Text from outside as an error shows it: quoted, with escapes, so on one line, and cut after 80 characters. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text);
}

/** How many characters an object or array has as JSON. */
export function jsonLength(value: object): number {
  // Tables of data sets have ints as bigints, which JSON has no form for.
  return JSON.stringify(value, (_, part: unknown) => typeof part === "bigint" ? Number(part) : part).length;
}

/** The first line of a text that isn't empty. The other lines of a program or an error are details. */
export function firstLine(text: string): string {
  return text.trim().split("\n")[0]!;
}
