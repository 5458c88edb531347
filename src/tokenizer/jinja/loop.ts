import type { Budget } from "./budget.ts";
import { equals } from "./compare.ts";
import { type Arguments, Generator, iterate, lengthOf, PyFunction, Undefined, type Value } from "./values.ts";

/** The variable `loop` of a for loop. It looks ahead by one item only where a template asks for what comes. */
export class Loop extends PyFunction {
  override readonly typeName: string = "LoopContext";
  readonly #source: Value;
  readonly #items: Iterator<Value>;
  readonly #budget: Budget;
  readonly #depth: number;
  /** Items taken from the source before their turn, and how many of these have had it. */
  #ahead: Value[] = [];
  #used = 0;
  #index = -1;
  #previous: Value | undefined;
  #current: Value | undefined;
  #lastChanged: readonly Value[] | undefined;

  /**
   * @param depth How many recursive loops are around this one.
   * @param recurse What `loop(items)` writes.
   */
  constructor(source: Value, depth: number, recurse: (call: Arguments) => Value, budget: Budget) {
    super("loop", recurse);
    this.#source = source;
    this.#items = iterate(source, budget);
    this.#depth = depth;
    this.#budget = budget;
  }

  /** Goes on to the next item and gives it; undefined at the end. */
  next(): Value | undefined {
    const next = this.#peek();
    // Not by shift(), which moves all of a long list.
    if (next !== undefined) this.#used++;
    if (this.#used === this.#ahead.length) [this.#ahead, this.#used] = [[], 0];
    this.#previous = this.#current;
    this.#current = next;
    this.#index++;
    return next;
  }

  override attribute(name: string): Value | undefined {
    switch (name) {
      case "index":
        return BigInt(this.#index + 1);
      case "index0":
        return BigInt(this.#index);
      case "first":
        return this.#index === 0;
      case "last":
        return this.#peek() === undefined;
      case "length":
        return BigInt(this.#count());
      case "revindex":
        return BigInt(this.#count() - this.#index);
      case "revindex0":
        return BigInt(this.#count() - this.#index - 1);
      case "previtem":
        return this.#previous === undefined ? new Undefined("there is no previous item") : this.#previous;
      case "nextitem": {
        const next = this.#peek();
        return next === undefined ? new Undefined("there is no next item") : next;
      }
      case "depth":
        return BigInt(this.#depth + 1);
      case "depth0":
        return BigInt(this.#depth);
      case "cycle":
        return new PyFunction("cycle", ({ positional }) => {
          if (positional.length === 0) throw new Error("no items for cycling given");
          return positional[this.#index % positional.length]!;
        });
      case "changed":
        return new PyFunction("changed", ({ positional }) => {
          const last = this.#lastChanged;
          this.#lastChanged = positional;
          return last?.length !== positional.length ||
            !last.every((value, i) => equals(value, positional[i]!, this.#budget));
        });
    }
    return undefined;
  }

  #peek(): Value | undefined {
    if (this.#used === this.#ahead.length) {
      const { done, value } = this.#items.next();
      if (!done) this.#ahead.push(value);
    }
    return this.#ahead[this.#used];
  }

  #count(): number {
    const known = this.#source instanceof Generator ? undefined : lengthOf(this.#source, this.#budget);
    if (known !== undefined) return known;
    for (let next; !(next = this.#items.next()).done;) {
      this.#budget.items(1);
      this.#ahead.push(next.value);
    }
    return this.#index + 1 + this.#ahead.length - this.#used;
  }
}
