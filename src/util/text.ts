/** Text from outside as an error shows it: quoted, with escapes, so on one line, and cut after 80 characters. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text);
}

/** The first line of a text that isn't empty. The other lines of a program or an error are details. */
export function firstLine(text: string): string {
  return text.trim().split("\n")[0]!;
}
