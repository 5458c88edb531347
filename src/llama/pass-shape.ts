/** Encodes the dispatches of a compute pass over `rows` rows. */
export type EncodePass = (pass: GPUComputePassEncoder, rows: number) => void;

/**
 * All that the encoding of a submission depends on: an encoder is given this and nothing else. Functions and arrays of
 * them are compared by identity.
 */
export interface PassShape {
  /** The parts of each pass of the model. */
  readonly parts: readonly EncodePass[];
  /** A pass that comes before all others; null for none. */
  readonly before: EncodePass | null;
  /** Rows of each pass of the model. */
  readonly rows: number;
  /** Passes of the model, one behind the other. */
  readonly steps: number;
  /** Whether the first token is the one that is in its place on the device. */
  readonly keepsToken: boolean;
  /** Whether the position is the one that is on the device. */
  readonly keepsPosition: boolean;
  /** Log-probabilities that come back with the chosen tokens; null for none. */
  readonly logprobs: GPUBuffer | null;
}

/** Gives one object for all that are equal in every field, so that kinds can be compared by identity. */
export class Interner<T extends object> {
  readonly #known: T[] = [];

  of(value: T): T {
    const known = this.#known.find((one) => hasEqualFields(one, value));
    if (known) return known;
    this.#known.push(value);
    return value;
  }
}

function hasEqualFields<T extends object>(a: T, b: T): boolean {
  const [fieldsA, fieldsB] = [Object.entries(a), Object.entries(b)];
  return fieldsA.length === fieldsB.length &&
    fieldsA.every(([name, value]) => value === (b as Readonly<Record<string, unknown>>)[name]);
}
