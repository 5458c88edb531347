/** What the user typed can't be done: exit code 2. */
export class UsageError extends Error {}

export function oneLine(error: unknown): string {
  return error instanceof Error ? error.message.replace(/\s*\n\s*/g, " ") : String(error);
}
