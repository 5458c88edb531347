/** Ends the program with an error's first line and exit code 1. */
export function quit(error: unknown): never {
  console.error(String((error as Error).message ?? error).split("\n")[0]);
  Deno.exit(1);
}
