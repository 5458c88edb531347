import { type Lane, MAX_ROWS } from "../spec/lanes/lane.ts";
import type { Sampling } from "../util/sampling.ts";

/** What has to be known of an answer to judge it; a GenerationRecord has all of it. */
export interface Claim {
  /** The prompt's tokens. */
  readonly promptTokens: readonly number[];
  /** The answer's tokens. */
  readonly tokens: readonly number[];
  /** How they were drawn; null: the likeliest one each time. */
  readonly sampling: Sampling | null;
  /** The verify model's hash. */
  readonly modelHash: string;
}

/** Whether the verify model alone writes the claimed tokens. */
export interface Certificate {
  /** The first tokens of the answer, which the verify model alone chooses too. */
  readonly certified: number;
  /** The answer's tokens. */
  readonly tokens: number;
  /** The first token that it doesn't choose, by its index in the answer, and the one in its place; null: all agree. */
  readonly parting: { readonly index: number; readonly token: number; readonly chosen: number } | null;
}

/**
 * Feeds the prompt, then the answer in passes of up to MAX_ROWS rows, and compares what the model chooses after each
 * row with what the answer has there. A row's bits don't depend on the rows beside it, so this judges as a run of the
 * model alone would, in a fraction of its passes. The lane is idle before and after.
 */
export async function certify(verify: Lane, { promptTokens, tokens, sampling }: Claim): Promise<Certificate> {
  verify.sample(sampling && withInfinities(sampling));
  const before = promptTokens.slice(0, -1);
  if (before.length > 0) await verify.prefill(before, 0);
  const text = [promptTokens.at(-1)!, ...tokens];
  for (let at = 0; at < tokens.length; at += MAX_ROWS) {
    const rows = text.slice(at, Math.min(at + MAX_ROWS, tokens.length));
    const { tokens: chosen } = await verify.verify(rows, before.length + at);
    const parting = chosen.findIndex((token, i) => token !== tokens[at + i]);
    if (parting < 0) continue;
    const index = at + parting;
    return {
      certified: index,
      tokens: tokens.length,
      parting: { index, token: tokens[index]!, chosen: chosen[parting]! },
    };
  }
  return { certified: tokens.length, tokens: tokens.length, parting: null };
}

/** JSON has no infinity: a token that is forbidden has the bias null there. */
function withInfinities(sampling: Sampling): Sampling {
  const { adjustments } = sampling;
  if (!adjustments) return sampling;
  const biases = adjustments.biases.map(([token, bias]) => [token, bias ?? -Infinity] as const);
  return { ...sampling, adjustments: { ...adjustments, biases } };
}
