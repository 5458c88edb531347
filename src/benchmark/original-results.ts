/**
 * A results file of the original program (github.com/BradMcDanel/amusd), as far as it is read. Times are in seconds,
 * powers in watts.
 */
export type OriginalResults = readonly {
  readonly strategy: string;
  readonly metrics: {
    readonly time_per_token: number;
    readonly tokens_generated: number;
    /** Only `sd` and `amusd` have these two. */
    readonly draft_times?: readonly number[];
    readonly verify_times?: readonly number[];
    readonly gpustats: readonly { readonly timestamp: number; readonly gpu_powers: readonly number[] }[];
  };
}[];

/** Whether parsed JSON is a results file of the original program. */
export function isOriginalResults(value: unknown): value is OriginalResults {
  return Array.isArray(value) && value.length > 0 &&
    value.every((run) =>
      typeof run?.strategy === "string" && typeof run.metrics?.time_per_token === "number" &&
      typeof run.metrics.tokens_generated === "number" && Array.isArray(run.metrics.gpustats)
    );
}
