/** The figures of a device at one moment. Null stands for a figure that can't be told. */
export interface Reading {
  /** Busy share, 0 to 1. */
  readonly utilization: number | null;
  readonly memoryBytes: number | null;
  readonly powerWatts: number | null;
}

export const UNKNOWN: Reading = { utilization: null, memoryBytes: null, powerWatts: null };

/** Reads a device's figures, or returns UNKNOWN; never throws. `nowMs` is the time by `performance.now()`. */
export type Source = (nowMs: number) => Reading | Promise<Reading>;
