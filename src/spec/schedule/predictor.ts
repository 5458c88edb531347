/** The share of the older observations' weight that each new one leaves: about the last 500 count. */
const MEMORY = 0.998;
/** The variance of each weight before anything was seen. */
const PRIOR = 0.25;
/** Confidences nearer to 0 or 1 than this count as that near: their logits would be without bounds. */
const CLOSEST = 0.002;
/** The number of judged tokens that the average acceptance goes back over, and the most second choices that count. */
const MEAN_OVER = 200;
/** In a new text, all texts before count as this many judged tokens. */
const MEAN_BEFORE = 10;

type Vector = readonly [number, number, number];

/** A draft of which the text now tells whether it was right; the drafts before it in its text all were. */
export interface JudgedDraft {
  readonly confidence: number;
  /** 1 for the first token after the committed text. */
  readonly place: number;
  readonly isRight: boolean;
  /** Whether the draft model's second choice was. */
  readonly runnerUpIsRight: boolean;
  /** Whether it was looked up in the text; then it has no second choice. */
  readonly lookedUp?: boolean;
}

/**
 * Predicts the chance that a drafted token is accepted, given that those before it in its verification are: a logistic
 * regression on the logit of the confidence with which it was drafted and on the logarithm of its place. The weights
 * are learnt while running, by a Newton step an observation, with a memory that fades (recursive least squares on the
 * linearisation: Ljung, "System Identification", chapter 11, in terms of the information matrix, which rounding can't
 * make indefinite). At first the chance is the confidence itself. Each drafter has a predictor of its own.
 */
export class Predictor {
  #weights: Vector = [0, 1, 0];
  /**
   * The inverse of the weights' covariance, by rows. Weights of which the observations tell nothing keep what was known
   * of them in the beginning.
   */
  #information: readonly [Vector, Vector, Vector] = [[1 / PRIOR, 0, 0], [0, 1 / PRIOR, 0], [0, 0, 1 / PRIOR]];
  /** The average acceptance of the last judged tokens. At first it is as if 7 of 10 had been accepted. */
  #mean = 0.7;
  #judged = MEAN_BEFORE;
  /** How often the runner-up was right, and how often it was wrong. At first it is as if 2 of 4 had been right. */
  #runnerUpHits = 2;
  #runnerUpMisses = 2;

  /** The chance of a token drafted with that confidence; `place` is 1 for the first token after the committed text. */
  chance(confidence: number, place: number): number {
    return sigmoid(dot(this.#weights, features(confidence, place)));
  }

  /** The chance of a token of which nothing is known yet. */
  get mean(): number {
    return this.#mean;
  }

  /** The chance that the drafter's second choice is right where its first one was wrong. */
  get runnerUpChance(): number {
    return this.#runnerUpHits / (this.#runnerUpHits + this.#runnerUpMisses);
  }

  /** Lets a new text's own tokens soon outweigh the texts before: texts differ more than a text from its beginning. */
  newText(): void {
    this.#judged = Math.min(this.#judged, MEAN_BEFORE);
  }

  /** Learns from a drafted token that was judged: all before it in its verification were accepted. */
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

  /** Learns whether the second choice was right where the first one was rejected. */
  observeRunnerUp(hit: boolean): void {
    if (hit) this.#runnerUpHits++;
    else this.#runnerUpMisses++;
    if (this.#runnerUpHits + this.#runnerUpMisses > MEAN_OVER) {
      this.#runnerUpHits /= 2;
      this.#runnerUpMisses /= 2;
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

/** The x with `matrix` x = `wanted`, by Cramer's rule; the matrix is symmetric and positive definite. */
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
