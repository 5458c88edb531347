import { randomOf } from "../../src/bench/random.ts";

const VOCABULARY = 1000;
/** Draws of the chance that a table holds. */
const DRAWS = 4096;

/** How likely the draft's first choice is to be right, drawn for each text, as the draft knows it. */
export interface PairOptions {
  /** Mean chance. */
  readonly acceptance: number;
  /** s: the chances are Beta(a s, (1 - a) s) distributed; with `Infinity` all are the mean. */
  readonly concentration: number;
  /** Chance of the second choice where the first one is wrong. */
  readonly second: number;
  readonly seed: number;
}

/** A draft and a verify model for simulations: functions of the position and the last two tokens, of the same cost at any length of text. */
export function simulatedPair({ acceptance: a, concentration, second, seed }: PairOptions) {
  const random = randomOf(seed);
  const chances = Float64Array.from({ length: DRAWS }, () => {
    if (concentration === Infinity) return a;
    const [x, y] = [gamma(a * concentration, random), gamma((1 - a) * concentration, random)];
    return x / (x + y);
  });
  const at = (text: readonly number[], salt: number) => {
    let h = Math.imul(text.length ^ seed, 0x9e3779b1) ^ salt;
    h = Math.imul(h ^ (h >>> 15) ^ text.at(-1)!, 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13) ^ (text.at(-2) ?? 0), 0xc2b2ae35);
    h = Math.imul(h ^ (h >>> 16), 0x27d4eb2f);
    return (h ^ (h >>> 15)) >>> 0;
  };
  const share = (text: readonly number[], salt: number) => at(text, salt) / 2 ** 32;
  const confidence = (text: readonly number[]) => chances[at(text, 1) % DRAWS]!;
  const verify = (text: readonly number[]) => at(text, 2) % VOCABULARY;
  const isRight = (text: readonly number[]) => share(text, 3) < confidence(text);
  return {
    verify,
    draft: (text: readonly number[]) =>
      isRight(text) ? verify(text) : (verify(text) + 1 + at(text, 4) % 100) % VOCABULARY,
    confidence,
    second: (text: readonly number[], chosen: number) =>
      !isRight(text) && share(text, 5) < second ? verify(text) : (chosen + 200) % VOCABULARY,
  };
}

/** Gamma(shape, 1) by Marsaglia and Tsang (2000). */
function gamma(shape: number, random: () => number): number {
  if (shape < 1) return gamma(shape + 1, random) * random() ** (1 / shape);
  const d = shape - 1 / 3;
  for (;;) {
    const x = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    const v = (1 + x / Math.sqrt(9 * d)) ** 3;
    if (v > 0 && Math.log(1 - random()) < x * x / 2 + d - d * v + d * Math.log(v)) return d * v;
  }
}
