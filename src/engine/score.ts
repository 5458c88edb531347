import { type Lane, MAX_ROWS } from "../spec/lanes/lane.ts";
import type { TokenLogprobs } from "../util/sampling.ts";

/**
 * The log-probabilities of a text's tokens, each after those before it, and with each the `top` likeliest tokens in its
 * place. The first token has none. The lane is idle before and after.
 */
export async function score(verify: Lane, tokens: readonly number[], top: number): Promise<TokenLogprobs[]> {
  verify.sample({ temperature: 0, topK: 0, topP: 1, minP: 0, seed: 0, logprobs: top });
  const scores: TokenLogprobs[] = [];
  // A pass tells of the tokens in its rows but for the first, which the pass before tells of.
  for (let at = 0; at + 1 < tokens.length; at += MAX_ROWS - 1) {
    const rows = tokens.slice(at, at + MAX_ROWS);
    const { logprobs = [] } = await verify.verify(rows, at);
    scores.push(...logprobs.slice(0, rows.length - 1).map(({ next, top }) => ({ logprob: next, top })));
  }
  return scores;
}
