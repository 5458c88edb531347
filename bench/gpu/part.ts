// What the kit's parts share: each is a program of its own, started by run.ts, that prints a line of JSON for each
// figure as soon as it has it, and writes its progress to stderr.

import { parseArgs } from "node:util";

/** How much is measured: all, or just enough to see the kit work on a software adapter. */
export type Scale = "full" | "tiny";

export interface PartOptions {
  readonly scale: Scale;
  /** The folder of the embedded pair; null where it was not brought along. */
  readonly models: string | null;
  /** A folder for files that parts make and later parts may use. */
  readonly scratch: string;
}

/** The options that run.ts starts a part with. */
export function partOptions(): PartOptions {
  const { values } = parseArgs({
    args: Deno.args,
    options: { scale: { type: "string" }, models: { type: "string" }, scratch: { type: "string" } },
  });
  return { scale: values.scale as Scale, models: values.models ?? null, scratch: values.scratch! };
}

/** Tells a figure: `what` names the row of the part's table, the rest are its cells. */
export function tell(what: string, cells: Readonly<Record<string, unknown>>): void {
  console.log(JSON.stringify({ what, ...cells }));
}

/** The time of `work` in ms. */
export async function timed<T>(work: () => Promise<T>): Promise<{ ms: number; value: T }> {
  const startMs = performance.now();
  const value = await work();
  return { ms: performance.now() - startMs, value };
}
