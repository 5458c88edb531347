/** An error in what the user typed: the exit code is 2, for all other errors 1. */
export class UsageError extends Error {}

/** The message of anything that was thrown, on one line. */
export function oneLine(error: unknown): string {
  return error instanceof Error ? error.message.replace(/\s*\n\s*/g, " ") : String(error);
}
