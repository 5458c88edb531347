/** Command buffers, and the slot that they bring their answer to. */
export interface Encoded<Slot> {
  readonly slot: Slot;
  readonly commands: readonly GPUCommandBuffer[];
}

/**
 * The slots of a queue, and command buffers that are encoded before they are asked for: encoding a pass takes the host
 * about 1 ms, which is hidden while the device is at work. `encode` has to give the same for the same kind, which is
 * compared by identity.
 */
export class CommandCache<Kind extends object, Slot> {
  readonly #encode: (kind: Kind, slot: Slot) => readonly GPUCommandBuffer[];
  readonly #free: Slot[];
  readonly #maxSpares: number;
  /** Oldest first. */
  readonly #spares = new Map<Kind, Encoded<Slot>>();
  /** Hears of the next slot that is released. */
  #waiting: ((slot: Slot) => void) | undefined;

  /** At most `maxSpares` of the slots are held by spares. */
  constructor(
    slots: readonly Slot[],
    maxSpares: number,
    encode: (kind: Kind, slot: Slot) => readonly GPUCommandBuffer[],
  ) {
    this.#free = [...slots];
    this.#maxSpares = maxSpares;
    this.#encode = encode;
  }

  /** Takes the spare of the kind, or encodes one as soon as a slot is free. One caller may wait at a time. */
  async take(kind: Kind): Promise<Encoded<Slot>> {
    const spare = this.#spares.get(kind);
    this.#spares.delete(kind);
    if (spare) return spare;
    const slot = await this.takeSlot();
    return { slot, commands: this.#encode(kind, slot) };
  }

  /** Takes a slot as soon as one is free. One caller may wait at a time. */
  async takeSlot(): Promise<Slot> {
    return this.#free.pop() ?? await new Promise((resolve) => this.#waiting = resolve);
  }

  /** Encodes a spare of the kind, in the place of the oldest one if there are too many; none where no slot is free. */
  prepare(kind: Kind): void {
    if (this.#spares.has(kind)) return;
    if (this.#spares.size === this.#maxSpares) {
      const [[oldest, { slot }]] = [...this.#spares] as [[Kind, Encoded<Slot>]];
      this.#spares.delete(oldest);
      this.#free.push(slot);
    }
    const slot = this.#free.pop();
    if (slot !== undefined) this.#spares.set(kind, { slot, commands: this.#encode(kind, slot) });
  }

  /** Gives a slot back whose answer was read. */
  release(slot: Slot): void {
    if (this.#waiting) this.#waiting(slot);
    else this.#free.push(slot);
    this.#waiting = undefined;
  }
}
