/** Steps of a rendering, about 100 ns each; some more for each character of a conversation. */
const STEPS = 2e6;
/** Bytes of all texts and lists that a rendering may make, those long dropped too; more for a long conversation. */
const BYTES = 24 * 2 ** 20;

/**
 * What a template may still spend. It comes from a stranger and may loop, recurse and double texts, so everything that
 * takes time or memory in proportion to a template's wish is paid for here, before it is done. No clock is asked: a
 * template that is refused is refused everywhere.
 */
export class Budget {
  readonly #stepLimit: number;
  readonly #byteLimit: number;
  #steps = 0;
  #bytes = 0;

  /**
   * A longer conversation may cost more. Templates look through all messages for each of them.
   *
   * @param characters What the conversation has.
   */
  constructor(characters = 0, messages = 0) {
    this.#stepLimit = STEPS + 16 * (characters + messages ** 2);
    this.#byteLimit = BYTES + 64 * characters + 32 * messages ** 2;
  }

  /** The steps paid for so far. */
  get steps(): number {
    return this.#steps;
  }

  /** The bytes paid for so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Pays for `count` operations. Throws an Error where the template has had too many. */
  spend(count: number): void {
    // A count comes from a template's numbers: a negative one must give nothing back, and NaN is too many.
    this.#steps += Math.max(0, count);
    if (!(this.#steps <= this.#stepLimit)) throw new Error(`it takes more than ${this.#stepLimit} steps`);
  }

  /** Pays for a text of `length` UTF-16 units that will be made. */
  text(length: number): void {
    this.#take(32 + 2 * Math.max(0, length));
    this.spend(length / 32);
  }

  /** Pays for `count` elements of a list or a tuple that will be made. */
  items(count: number): void {
    this.#take(32 * Math.max(0, count));
    this.spend(count);
  }

  /** Pays for a dict of `count` entries that will be made. */
  dict(count: number): void {
    this.items(8 + 4 * Math.max(0, count));
  }

  /** Pays for an object that is no text, list or dict: a function, a generator. */
  object(): void {
    this.items(6);
  }

  /** Pays for an object that keeps the variables around it as long as it lives: a macro, a loop. */
  closure(): void {
    this.items(16);
  }

  /** Pays for the search of `needle` units in `hay`, which may compare each with each. */
  search(hay: number, needle: number): void {
    this.spend(1 + (hay * Math.max(1, Math.min(needle, hay - needle))) / 64);
  }

  #take(bytes: number): void {
    this.#bytes += bytes;
    if (!(this.#bytes <= this.#byteLimit)) {
      throw new Error(`it makes more than ${Math.floor(this.#byteLimit / 2 ** 20)} MiB of texts and lists`);
    }
  }
}
