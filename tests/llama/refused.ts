import * as assert from "uvu/assert";

/** Throws unless the work fails with an Error of ours (plain, of one line) whose message matches. */
export async function assertRefused(work: () => Promise<unknown>, message: RegExp): Promise<void> {
  let error: unknown;
  try {
    await work();
  } catch (caught) {
    error = caught;
  }
  assert.ok(error, `nothing was thrown, wanted ${message}`);
  assertPlainError(error);
  assert.match((error as Error).message, message);
}

/** Throws unless it is an Error, no subclass of it, that says in one line what cannot be done. */
export function assertPlainError(error: unknown): void {
  assert.ok(
    error instanceof Error && error.constructor === Error && /^Cannot [^\n\r]{10,600}$/.test(error.message),
    `wanted a plain Error of one line, got ${error instanceof Error ? error.stack : String(error)}`,
  );
}
