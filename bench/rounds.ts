/** One figure over the rounds of a run. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly values: readonly number[];
}

/** The median, least and most of values. Throws a RangeError if there are none, or one is no finite number. */
export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  if (sorted.length === 0 || !sorted.every(Number.isFinite)) {
    throw new RangeError(`Cannot take the median of [${values}]: finite numbers are wanted`);
  }
  const middle = (sorted.length - 1) / 2;
  return {
    median: (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle)]!) / 2,
    min: sorted[0]!,
    max: sorted.at(-1)!,
    values,
  };
}

/**
 * The ratio a / b round by round, since two figures of one round saw the same machine. Throws a RangeError where the
 * numbers of rounds differ.
 */
export function ratio(a: readonly number[], b: readonly number[]): Spread {
  if (a.length !== b.length) {
    throw new RangeError(`Cannot divide ${a.length} rounds by ${b.length}: as many are wanted`);
  }
  return spread(a.map((value, round) => value / b[round]!));
}

/** "12.3 [11.9..14.0]": the median, with the least and the most. */
export function show({ median, min, max }: Spread, digits = 1): string {
  return `${median.toFixed(digits)} [${min.toFixed(digits)}..${max.toFixed(digits)}]`;
}

/** Runs the entries of a round, beginning with another one in each round, so that none is always the first. */
export async function rotate(round: number, entries: readonly (() => Promise<void>)[]): Promise<void> {
  for (let i = 0; i < entries.length; i++) {
    await entries[(round + i) % entries.length]!();
  }
}
