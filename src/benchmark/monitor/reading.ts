/** What a device is seen to do. What can't be told is null. */
export interface Reading {
  /** Busy share, 0 to 1. */
  readonly utilization: number | null;
  readonly memoryBytes: number | null;
  readonly powerWatts: number | null;
}

export const UNKNOWN: Reading = { utilization: null, memoryBytes: null, powerWatts: null };

/** Tells what a device does, or UNKNOWN; never throws. `nowMs` is of `performance.now()`. */
export type Source = (nowMs: number) => Reading | Promise<Reading>;
