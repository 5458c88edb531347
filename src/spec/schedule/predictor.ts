/** How much of what was learnt an observation leaves: about the last 500 count. */
const MEMORY = 0.998;
/** Variance of each weight before anything was seen. */
const PRIOR = 0.25;
const CLOSEST = 0.002;
/** Judged tokens that the average acceptance goes back over, and as how many of them all texts before count in a new one. */
const MEAN_OVER = 60;
const MEAN_BEFORE = 10;

type Vector = readonly [number, number, number];

/**
 * The chance that a drafted token is accepted, given that those before it in its verification are: a logistic regression on the logit of
 * the confidence with which it was drafted and on its place, learnt while running by a Newton step an observation, with a
 * memory that fades (recursive least squares on its linearisation: Ljung, "System Identification", chapter 11, in terms of the information matrix, which rounding
 * can't make indefinite). It begins with the confidence itself. One for each drafter.
 */
export class Predictor {
  #weights: Vector = [0, 1, 0];
  /** Of the weights: the inverse of their covariance, by rows. What observations tell nothing of keeps what was known in the beginning. */
  #information: readonly [Vector, Vector, Vector] = [[1 / PRIOR, 0, 0], [0, 1 / PRIOR, 0], [0, 0, 1 / PRIOR]];
  /** Of the chances given to tokens that came to be judged: what an average token is likely to have; begins as if 7 of 10 were accepted. */
  #mean = 0.7;
  #judged = MEAN_BEFORE;
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

  /** What texts are like differs more than a text from its beginning: its own tokens soon outweigh those of the texts before. */
  newText(): void {
    this.#judged = Math.min(this.#judged, MEAN_BEFORE);
  }

  /** Of a drafted token that was judged: all before it in its verification were accepted. */
  observe(confidence: number, place: number, accepted: boolean): void {
    const x = features(confidence, place);
    const p = sigmoid(dot(this.#weights, x));
    const error = (accepted ? 1 : 0) - p;
    const weight = p * (1 - p);
    const at = (i: number, j: number) =>
      MEMORY * this.#information[i]![j]! + (i === j ? (1 - MEMORY) / PRIOR : 0) + weight * x[i]! * x[j]!;
    const row = (i: number): Vector => [at(i, 0), at(i, 1), at(i, 2)];
    this.#information = [row(0), row(1), row(2)];
    const step = solve(this.#information, x);
    this.#weights = [0, 1, 2].map((i) => this.#weights[i]! + error * step[i]!) as unknown as Vector;
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

function features(confidence: number, place: number): Vector {
  const share = Math.min(1 - CLOSEST, Math.max(CLOSEST, confidence));
  return [1, Math.log(share / (1 - share)), Math.log(place)];
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, i) => sum + value * b[i]!, 0);
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/** What `matrix`, symmetric and positive definite, makes `wanted`, by Cramer's rule. */
function solve(matrix: readonly [Vector, Vector, Vector], wanted: Vector): Vector {
  const [a, b, c] = matrix;
  const determinant = dot(a, cross(b, c));
  return [
    dot(wanted, cross(b, c)) / determinant,
    dot(a, cross(wanted, c)) / determinant,
    dot(a, cross(b, wanted)) / determinant,
  ];
}

function cross(a: Vector, b: Vector): Vector {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
}
