// Sampling in double precision, from its description in src/util/sampling.ts: shares nothing with the kernels.

import type { Sampling } from "../../../src/util/sampling.ts";

/** The probability with which each token is chosen; 0 where a filter leaves it out. */
export function probabilities(logits: ArrayLike<number>, { temperature, topK, topP, minP }: Sampling): Float64Array {
  const scaled = Float64Array.from(logits, (logit) => logit / temperature);
  const most = Math.max(...scaled);
  const shares = scaled.map((value) => Math.exp(value - most));
  let order = Array.from(shares.keys()).sort((a, b) => scaled[b]! - scaled[a]! || a - b);
  if (topK > 0) order = order.slice(0, topK);
  if (topP < 1) {
    const total = order.reduce((sum, token) => sum + shares[token]!, 0);
    let before = 0;
    order = order.filter((token) => {
      const left = before < topP * total;
      before += shares[token]!;
      return left;
    });
  }
  order = order.filter((token) => shares[token]! >= minP);
  const total = order.reduce((sum, token) => sum + shares[token]!, 0);
  const result = new Float64Array(logits.length);
  for (const token of order) result[token] = shares[token]! / total;
  return result;
}

/** pcg3d's first two words (Jarzynski and Olano 2020). */
export function hash(seed: number, position: number, token: number): [number, number] {
  let [x, y, z] = [seed, position, token].map((word) => (Math.imul(word, 1664525) + 1013904223) >>> 0) as [
    number,
    number,
    number,
  ];
  const round = () => {
    x = (x + Math.imul(y, z)) >>> 0;
    y = (y + Math.imul(z, x)) >>> 0;
    z = (z + Math.imul(x, y)) >>> 0;
  };
  round();
  [x, y, z] = [x ^ x >>> 16, y ^ y >>> 16, z ^ z >>> 16];
  round();
  return [x, y];
}

/** Gumbel noise: -log(-log(1 - v)), where `v` is uniform in (0, 1). */
export function gumbel(seed: number, position: number, token: number): number {
  const [x, y] = hash(seed, position, token);
  // A double of 64 bits' fraction would round 1 - v where v is close to 1.
  const far = x >= 2 ** 31;
  const u = ((far ? 2 ** 32 - 1 - x : x) + (y + 0.5) / 2 ** 32) / 2 ** 32;
  return -Math.log(far ? -Math.log(u) : -Math.log1p(-u));
}

/** Each token's score; -Infinity where a filter leaves it out. */
export function scores(logits: ArrayLike<number>, sampling: Sampling, position: number): Float64Array {
  return probabilities(logits, sampling).map((share, token) =>
    share > 0 ? logits[token]! / sampling.temperature + gumbel(sampling.seed, position, token) : -Infinity
  );
}
