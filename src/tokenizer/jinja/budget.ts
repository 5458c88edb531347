/** Steps of a rendering, about 100 ns each; some more for each character of the conversation. */
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

  /** @param characters What the conversation has: a longer one may cost more. */
  constructor(characters = 0) {
    this.#stepLimit = STEPS + 16 * characters;
    this.#byteLimit = BYTES + 64 * characters;
  }

  /** Pays for `count` operations. Throws an Error where the template has had too many. */
  spend(count: number): void {
    this.#steps += count;
    if (this.#steps > this.#stepLimit) throw new Error(`it takes more than ${this.#stepLimit} steps`);
  }

  /** Pays for a text of `length` UTF-16 units that will be made. */
  text(length: number): void {
    this.#take(32 + 2 * length);
    this.spend(length / 32);
  }

  /** Pays for `count` elements of a list, a tuple or a dict that will be made. */
  items(count: number): void {
    this.#take(32 * count);
    this.spend(count);
  }

  /** Pays for the search of `needle` units in `hay`, which may compare each with each. */
  search(hay: number, needle: number): void {
    this.spend(1 + (hay * Math.max(1, Math.min(needle, hay - needle))) / 64);
  }

  #take(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes > this.#byteLimit) {
      throw new Error(`it makes more than ${Math.floor(this.#byteLimit / 2 ** 20)} MiB of texts and lists`);
    }
  }
}
