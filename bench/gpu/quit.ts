import { firstLine } from "../../src/util/text.ts";

/** Ends the program with an error's first line and exit code 1. */
export function quit(error: unknown): never {
  console.error(firstLine((error as Error).message ?? String(error)));
  Deno.exit(1);
}
