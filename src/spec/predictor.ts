/** How much of what was learnt an observation leaves: about the last 500 count. */
const MEMORY = 0.998;
/** Variance of each weight before anything was seen. */
const PRIOR = 0.25;
const CLOSEST = 0.002;

/**
 * The chance that a drafted token is accepted, given that those before it in its verification are: a logistic regression on the logit of
 * the confidence with which it was drafted and on its place, learnt while running by recursive least squares on its linearisation, with a
 * memory that fades (Ljung, "System Identification", chapter 11). It begins with the confidence itself. One for each drafter.
 */
export class Predictor {
  readonly #weights = [0, 1, 0];
  /** Of the weights, by rows. */
  #covariance = [[PRIOR, 0, 0], [0, PRIOR, 0], [0, 0, PRIOR]];
  /** Of the chances given to tokens that came to be judged: what an average token is likely to have; begins as if 7 of 10 were accepted. */
  #mean = 0.7;
  #judged = 10;
  #secondHits = 2;
  #secondMisses = 2;

  /** `place` is 1 for the first token after the committed text. */
  chance(confidence: number, place: number): number {
    return sigmoid(dot(this.#weights, features(confidence, place)));
  }

  /** Of a token of which nothing is known yet. */
  get mean(): number {
    return this.#mean;
  }

  /** The chance that the drafter's second choice is right where its first one was wrong. */
  get secondChance(): number {
    return this.#secondHits / (this.#secondHits + this.#secondMisses);
  }

  /** Of a drafted token that was judged: all before it in its verification were accepted. */
  observe(confidence: number, place: number, accepted: boolean): void {
    const x = features(confidence, place);
    const p = sigmoid(dot(this.#weights, x));
    const error = (accepted ? 1 : 0) - p;
    const weight = p * (1 - p);
    const spread = this.#covariance.map((row) => dot(row, x));
    const gain = spread.map((value) => value / (1 + weight * dot(spread, x)));
    // What an observation says nothing about isn't forgotten beyond what was known in the beginning.
    const spreads = this.#covariance.reduce((sum, row, i) => sum + row[i]!, 0);
    const memory = spreads < 3 * PRIOR ? MEMORY : 1;
    for (const [i, value] of gain.entries()) this.#weights[i]! += error * value;
    this.#covariance = this.#covariance.map((row, i) =>
      row.map((value, j) => (value - weight * gain[i]! * spread[j]!) / memory)
    );
    this.#judged = Math.min(this.#judged + 1, MEAN_OVER);
    this.#mean += ((accepted ? 1 : 0) - this.#mean) / this.#judged;
  }

  /** Whether the second choice was right where the first one was rejected. */
  observeSecond(hit: boolean): void {
    if (hit) this.#secondHits++;
    else this.#secondMisses++;
    if (this.#secondHits + this.#secondMisses > MEAN_OVER) {
      this.#secondHits /= 2;
      this.#secondMisses /= 2;
    }
  }
}

/** Judged tokens that the averages go back over. */
const MEAN_OVER = 60;

function features(confidence: number, place: number): [number, number, number] {
  const share = Math.min(1 - CLOSEST, Math.max(CLOSEST, confidence));
  return [1, Math.log(share / (1 - share)), Math.log(place)];
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, i) => sum + value * b[i]!, 0);
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}
