import type { Run } from "./strategy.ts";
import type { TokenNode } from "../token-log.ts";

/**
 * The chances of pending tokens to be accepted, each given those before it, by a verification that begins behind
 * `length` tokens; by default these are the committed ones.
 */
export function chancesOf(
  { log, scheduler }: Run,
  pending: readonly TokenNode[],
  length: number = log.length,
): number[] {
  const { predictor, lookUp } = scheduler.estimates;
  return pending.map(({ draft, position }) => {
    // All pending tokens were drafted.
    const { confidence, lookedUp } = draft!;
    return (lookedUp ? lookUp : predictor).chance(confidence, position - length + 1);
  });
}

/** `first` times all of the numbers. */
export function product(numbers: readonly number[], first = 1): number {
  return numbers.reduce((product, number) => product * number, first);
}
