import { MAX_ROWS } from "./lane.ts";

/**
 * The contents of a lane's KV cache once all messages sent are done: the main sequence's length, and a branch beside
 * it. Each method takes note of a message before that is sent; if the message doesn't fit, the method throws a
 * RangeError and changes nothing, and once the lane is closed, an Error.
 */
export class LaneState {
  readonly #lane: string;
  readonly #capacity: number;
  readonly #branchCapacity: number;
  readonly #maxRows: number;
  #length = 0;
  #branch: { readonly fork: number; readonly length: number } | undefined;
  /** The last message's kind: `decode` can go on from a token that it chose, `verifyNext` from those it accepts. */
  #last: "feeds" | "decodes" | "verifies" = "feeds";
  #closed = false;

  constructor(lane: string, capacity: number, branchCapacity: number, maxRows = MAX_ROWS) {
    this.#maxRows = maxRows;
    this.#lane = lane;
    this.#capacity = capacity;
    this.#branchCapacity = branchCapacity;
  }

  prefill(count: number, position: number): void {
    this.#check("prefill", count, position, Infinity);
    this.#feed(count, position, "feeds");
  }

  verify(count: number, position: number): void {
    this.#check("verify", count, position, this.#maxRows);
    this.#feed(count, position, "verifies");
  }

  /** As `verify`; `position` is the highest that the first token can have. */
  verifyNext(count: number, position: number): void {
    if (this.#last !== "verifies") {
      throw new RangeError(`Cannot verify ahead on the ${this.#lane} lane: the message before is no verification`);
    }
    this.verify(count, position);
  }

  decode(token: number | null, position: number, steps: number, fork?: number): void {
    if (fork === undefined) this.#check("decode", steps, position, Infinity);
    else this.#checkBranch(steps, position, fork);
    if (token === null && this.#last === "feeds") {
      throw new RangeError(
        `Cannot decode on the ${this.#lane} lane without a token: the message before it chose none`,
      );
    }
    if (fork === undefined) return this.#feed(steps, position, "decodes");
    this.#branch = { fork, length: position - fork + steps };
    this.#last = "decodes";
  }

  keep(fork: number, count: number): void {
    if (this.#branch?.fork !== fork || !(Number.isInteger(count) && count >= 1 && count <= this.#branch.length)) {
      throw new RangeError(
        `Cannot keep ${count} tokens from position ${fork} on the ${this.#lane} lane: its branch ` +
          (this.#branch ? `has ${this.#branch.length} from ${this.#branch.fork} on` : "is gone"),
      );
    }
    this.#check("keep", count, fork, Infinity);
    this.#feed(count, fork, "feeds");
  }

  save(count: number): void {
    this.#checkOpen();
    if (Number.isInteger(count) && count >= 1 && count <= this.#length) return;
    throw new RangeError(`Cannot save ${count} tokens of the ${this.#lane} lane: its cache holds ${this.#length}`);
  }

  /** `saved` are the tokens that were saved, of which the first `count` become the main sequence. */
  restore(count: number, saved: number): void {
    this.#checkOpen();
    if (!(Number.isInteger(count) && count >= 1 && count <= saved)) {
      throw new RangeError(`Cannot restore ${count} tokens on the ${this.#lane} lane: ${saved} were saved`);
    }
    this.#feed(count, 0, "feeds");
  }

  /** Returns whether it was open. */
  close(): boolean {
    const wasOpen = !this.#closed;
    this.#closed = true;
    return wasOpen;
  }

  #check(operation: string, count: number, position: number, most: number): void {
    const what = `Cannot ${operation} ${count} tokens at position ${position} on the ${this.#lane} lane`;
    this.#checkOpen();
    if (!(Number.isInteger(count) && count >= 1 && count <= most)) {
      throw new RangeError(`${what}: wanted 1 to ${most} tokens`);
    }
    if (!(Number.isInteger(position) && position >= 0 && position <= this.#length)) {
      throw new RangeError(`${what}: its cache holds ${this.#length}, wanted a position from 0 to that`);
    }
    if (position + count > this.#capacity) {
      throw new RangeError(`${what}: wanted at most its capacity of ${this.#capacity}`);
    }
  }

  #checkBranch(count: number, position: number, fork: number): void {
    const what = `Cannot decode ${count} tokens at position ${position} of a branch on the ${this.#lane} lane`;
    this.#checkOpen();
    const branch = position === fork ? { fork: Math.min(fork, this.#length), length: 0 } : this.#branch;
    if (branch?.fork !== fork || !(fork >= 0 && position >= fork && position - fork <= branch.length)) {
      throw new RangeError(`${what}: there is no branch from ${fork} to there`);
    }
    if (!(Number.isInteger(count) && count >= 1 && position - fork + count <= this.#branchCapacity)) {
      throw new RangeError(`${what}: wanted at most ${this.#branchCapacity} on a branch`);
    }
    if (position + count > this.#capacity) {
      throw new RangeError(`${what}: wanted at most its capacity of ${this.#capacity}`);
    }
  }

  #checkOpen(): void {
    if (this.#closed) throw new Error(`Cannot use the ${this.#lane} lane: it is closed`);
  }

  /** Cuts the main sequence to `position` and appends `count`; a branch that parted behind `position` is gone. */
  #feed(count: number, position: number, last: "feeds" | "decodes" | "verifies"): void {
    this.#length = position + count;
    this.#last = last;
    if (this.#branch && this.#branch.fork > position) this.#branch = undefined;
  }
}
