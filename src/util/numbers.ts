export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** The arithmetic mean; NaN of no values. */
export function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}

/** The middle value, of an even number of values the larger one in the middle; `undefined` of no values. */
export function median(values: readonly number[]): number | undefined {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

/** a / b, or null where there is nothing to divide by. */
export function ratio(a: number, b: number): number | null {
  return b > 0 ? a / b : null;
}

/**
 * The value at x on the line through the nearest of `known` on either side, or through the two nearest on one side;
 * never less for a larger x. With one known point it is that one's value. `known` rises, and `at` gives their values.
 */
export function onLine(known: readonly number[], at: (x: number) => number, x: number): number {
  if (known.length === 1) return at(known[0]!);
  const above = known.findIndex((one) => one > x);
  const low = above < 0 ? known.length - 2 : Math.max(0, above - 1);
  const [from, to] = [known[low]!, known[low + 1]!];
  const slope = Math.max(0, (at(to) - at(from)) / (to - from));
  return x < to ? Math.max(0, at(from) + slope * (x - from)) : at(to) + slope * (x - to);
}
